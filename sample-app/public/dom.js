/** An element with attributes and children; text stays text. @param {string} tag @param {Record<string, string>} [attributes] @param {(Node | string)[]} children */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** The element with `data-slot` of this name. @param {ParentNode} root @param {string} name @returns {HTMLElement} */
export function slot(root, name) {
  return root.querySelector(`[data-slot="${name}"]`);
}

/** Fills a list of terms; those without a value are left out. @param {HTMLElement} list @param {[term: string, value: string | null][]} facts */
export function fillFacts(list, facts) {
  const rows = facts.filter(([, value]) => value !== null);
  list.replaceChildren(
    ...rows.map(([term, value]) => element('div', {}, element('dt', {}, term), element('dd', {}, value))),
  );
}

/** Shows a notice, or hides it. @param {HTMLElement} notice @param {string | null} text @param {'bad' | 'good' | ''} [kind] */
export function showNotice(notice, text, kind = 'bad') {
  notice.hidden = text === null;
  notice.className = `notice ${kind}`;
  // Only where it changes, so that a screen reader says it once.
  if (notice.textContent !== (text ?? '')) notice.textContent = text ?? '';
}
