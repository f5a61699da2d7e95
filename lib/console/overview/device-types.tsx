import { useConsole } from '../console-context.js';
import type { OnlineCount } from '../contract.js';
import { formatRoute } from '../shared/logic/hash-route.js';
import { Empty } from '../shared/parts/states.js';

/** Live sessions of each device type, as bars that lead to their list. */
export function DeviceTypes({ byDeviceType }: Pick<OnlineCount, 'byDeviceType'>) {
  const { t } = useConsole();
  const most = Math.max(1, ...byDeviceType.map((each) => each.sessions));
  return (
    <section class="card">
      <h2 class="card-head">{t('byDeviceType')}</h2>
      {byDeviceType.length === 0 ? (
        <Empty>{t('noDevices')}</Empty>
      ) : (
        <ul class="shares">
          {byDeviceType.map(({ deviceType, sessions }) => {
            const bar = (
              <>
                <span class="share-name">{deviceType ?? t('unknown')}</span>
                <meter class="share-bar" min={0} max={most} value={sessions} aria-hidden="true" />
                <span class="share-count">{t('figure', { n: sessions })}</span>
              </>
            );
            return (
              <li key={deviceType}>
                {/* No filter finds those without a type. */}
                {deviceType === null ? (
                  <span class="share">{bar}</span>
                ) : (
                  <a class="share" href={formatRoute(['online'], { deviceType })}>
                    {bar}
                  </a>
                )}
              </li>
            );
          })}
        </ul>
      )}
    </section>
  );
}
