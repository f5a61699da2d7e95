import { ApiError } from '../../api.js';
import { useConsole } from '../../console-context.js';

/** What went wrong, in the words of the console where it knows the case, else of the server. */
export function useErrorText(): (error: unknown) => string {
  const { t } = useConsole();
  return (error) => {
    if (!(error instanceof ApiError)) return t('error.other', { message: (error as Error).message });
    if (error.status === 0) return t('error.network');
    if (error.code === 'FRESH_LOGIN_REQUIRED') return t('error.fresh');
    if (error.code === 'CURSOR_INVALID') return t('error.cursor');
    if (error.status === 503) return t('error.unavailable');
    if (error.status === 403) return t('error.forbidden');
    if (error.status === 404) return t('error.notFound');
    return t('error.other', { message: error.message });
  };
}
