// dom.js: elements without HTML in strings, so that no name or log line of a run can become part of
// the page's markup.

enum PageDOMScript {
  static let text = #"""
    const svgSpace = 'http://www.w3.org/2000/svg';

    /** An element; attributes that are functions are listeners, false and null are left out. */
    export function h(tag, attributes = {}, ...children) {
      return fill(document.createElement(tag), attributes, children);
    }

    export function s(tag, attributes = {}, ...children) {
      return fill(document.createElementNS(svgSpace, tag), attributes, children);
    }

    function fill(element, attributes, children) {
      for (const [name, value] of Object.entries(attributes)) {
        if (typeof value === 'function') element.addEventListener(name, value);
        else if (value !== null && value !== undefined && value !== false) {
          element.setAttribute(name, value === true ? '' : value);
        }
      }
      element.append(...children.flat(3).filter((child) => child !== null && child !== undefined));
      return element;
    }

    /** Sets text only when it is another, so that screen readers aren't told of nothing. */
    export function say(element, text) {
      if (element.textContent !== text) element.textContent = text;
    }

    export function bar(share) {
      const inner = h('span');
      inner.style.width = `${100 * Math.min(1, Math.max(0, share))}%`;
      return h('span', { class: 'bar' }, inner);
    }

    /** A table; the first cell of a row is its head, and what is no text stands to the right. */
    export function table(caption, heads, rows, attributes = {}) {
      const isText = (value) => typeof value === 'string';
      const isWide = (value) => value instanceof Element && value.matches('.bar, .stack');
      const isLeft = (value) => isText(value) || isWide(value);
      const cell = (value) => h('td', {
        class: isText(value) ? null : isWide(value) ? 'wide' : 'number',
      }, value);
      return h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': caption },
        h('table', {},
          h('caption', { class: attributes.hidden ? 'unseen' : null }, caption),
          h('thead', {}, h('tr', {}, heads.map((head, index) => h(
            'th', { scope: 'col', class: isLeft(rows[0]?.[index] ?? '') ? null : 'number' },
            head)))),
          h('tbody', {}, rows.map((row) => h('tr', {}, row.map((value, index) =>
            index === 0 ? h('th', { scope: 'row' }, value) : cell(value)))))));
    }

    /** A disclosure whose content is made when it is opened, and again while it is open. */
    export class Disclosure {
      constructor(title, make) {
        this.make = make;
        this.body = h('div');
        this.element = h('details', { toggle: () => this.update() },
          h('summary', {}, title), this.body);
      }

      update() {
        if (!this.element.open || this.body.matches(':focus-within')) return;
        const scroll = this.body.firstElementChild?.scrollTop ?? 0;
        this.body.replaceChildren(this.make());
        if (this.body.firstElementChild) this.body.firstElementChild.scrollTop = scroll;
      }
    }

    export function badge(state) {
      const signs = { running: '▶', starting: '…', restarting: '↻', finished: '✓', failed: '✕',
        lost: '✕', stopped: '■' };
      return h('span', { class: `badge ${state}` },
        h('span', { 'aria-hidden': 'true' }, signs[state] ?? '•'), state);
    }

    """#
}
