import type { ComponentChildren, TargetedMouseEvent } from 'preact';
import { useConsole } from '../../console-context.js';

export interface Column<Row> {
  readonly id: string;
  readonly head: string;
  readonly cell: (row: Row) => ComponentChildren;
  /** Name of the order that a click on the head asks for, and its direction. */
  readonly sort?: { readonly by: string; readonly order: 'ascending' | 'descending' };
  readonly numeric?: boolean;
}

export interface Selection<Row> {
  readonly has: (row: Row) => boolean;
  readonly toggle: (row: Row) => void;
  readonly label: (row: Row) => string;
  readonly allowed: (row: Row) => boolean;
  readonly all: boolean;
  readonly toggleAll: () => void;
}

interface Props<Row> {
  readonly caption: string;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  readonly keyOf: (row: Row) => string;
  readonly sessionOf?: (row: Row) => string | null;
  readonly classOf?: (row: Row) => string;
  readonly sort?: { readonly by: string; readonly choose: (by: string) => void };
  readonly selection?: Selection<Row> | undefined;
}

/**
 * A table; on a narrow screen each row becomes a card with the heads as labels. Roles are written out, because a browser forgets
 * those of a table whose parts are not laid out as one.
 */
export function DataTable<Row>({
  caption,
  columns,
  rows,
  keyOf,
  sessionOf = () => null,
  classOf = () => '',
  sort,
  selection,
}: Props<Row>) {
  const { t } = useConsole();
  return (
    <div class="table-wrap">
      <table class="table" role="table">
        <caption class="visually-hidden">{caption}</caption>
        <thead role="rowgroup">
          <tr role="row">
            {selection && (
              <th role="columnheader" scope="col" class="cell-select">
                <input
                  type="checkbox"
                  aria-label={t('selectPage')}
                  checked={selection.all}
                  onChange={selection.toggleAll}
                />
              </th>
            )}
            {columns.map((column) => (
              <Head key={column.id} column={column} sort={sort} />
            ))}
          </tr>
        </thead>
        <tbody role="rowgroup">
          {rows.map((row) => (
            <tr
              key={keyOf(row)}
              role="row"
              tabIndex={-1}
              data-row
              onClick={openRow}
              data-session-id={sessionOf(row) ?? undefined}
              class={`${classOf(row)} ${selection?.has(row) ? 'selected' : ''}`}
            >
              {selection && (
                <td role="cell" class="cell-select">
                  <input
                    type="checkbox"
                    data-select
                    aria-label={selection.label(row)}
                    checked={selection.has(row)}
                    disabled={!selection.allowed(row)}
                    onChange={() => selection.toggle(row)}
                  />
                </td>
              )}
              {columns.map((column) => (
                <td key={column.id} role="cell" data-label={column.head} class={classOfColumn(column)}>
                  {column.cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** A click beside the links and buttons of a row opens it; one that marked text does not. */
function openRow(event: TargetedMouseEvent<HTMLElement>): void {
  if ((event.target as Element).closest('a, button, input, summary') !== null) return;
  if (getSelection()?.isCollapsed === false) return;
  event.currentTarget.querySelector<HTMLElement>('[data-open]')?.click();
}

const classOfColumn = ({ id, numeric }: Column<never>): string | undefined =>
  id === 'actions' ? 'cell-actions' : numeric ? 'numeric' : undefined;

function Head<Row>({ column, sort }: { column: Column<Row>; sort: Props<Row>['sort'] }) {
  const by = column.sort?.by;
  const name = classOfColumn(column);
  if (by === undefined || sort === undefined)
    return (
      <th role="columnheader" scope="col" class={name}>
        {column.head}
      </th>
    );
  const order = sort.by === by ? column.sort!.order : 'none';
  return (
    <th role="columnheader" scope="col" class={name} aria-sort={order}>
      <button type="button" class="sort" onClick={() => sort.choose(by)}>
        {column.head}
        <span class="sort-mark" aria-hidden="true">
          {order === 'ascending' ? '▲' : order === 'descending' ? '▼' : '↕'}
        </span>
      </button>
    </th>
  );
}
