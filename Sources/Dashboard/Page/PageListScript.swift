// list.js: the runs of the folder.

enum PageListScript {
  static let text = #"""
    import { badge, bar, h } from './dom.js';
    import { ago, clock, large, number, whole } from './format.js';

    export class ListPage {
      constructor(get) {
        this.get = get;
        this.body = h('tbody');
        this.note = h('p', { class: 'note muted' });
        const head = (text, isNumber) =>
          h('th', { scope: 'col', class: isNumber ? 'number' : null }, text);
        this.table = h('div', { class: 'scroll', tabindex: 0, role: 'region',
          'aria-label': 'Runs' }, h('table', {},
          h('caption', { class: 'unseen' }, 'Runs, the newest first'),
          h('thead', {}, h('tr', {}, head('run'), head('state'), head('progress'),
            head('step', true), head('loss', true), head('tokens/s', true), head('ranks', true),
            head('restarts', true), head('started'), head('last written'))),
          this.body));
        this.element = h('div', {}, h('div', { class: 'head' }, h('h1', {}, 'Runs')),
          h('section', { class: 'panel' }, this.table, this.note));
      }

      async look() {
        const { runs, omitted, time } = await this.get('/api/runs');
        // A row is made anew only when it changed: whoever has a link focused keeps it.
        const rows = new Map([...this.body.children].map((row) => [row.dataset.name, row]));
        this.body.replaceChildren(...runs.map((run) => {
          const state = JSON.stringify([run, ago(run.written, time)]);
          const known = rows.get(run.name);
          if (known?.dataset.state === state) return known;
          const made = this.row(run, time);
          made.dataset.name = run.name;
          made.dataset.state = state;
          if (known?.contains(document.activeElement)) {
            requestAnimationFrame(() => made.querySelector('a').focus());
          }
          return made;
        }));
        this.table.hidden = runs.length === 0;
        this.note.textContent = runs.length === 0
          ? 'There is no run here yet; dsv3 launch starts one.'
          : omitted > 0 ? `${omitted} older ones are not shown.` : '';
        return { state: runs.some((run) => run.state === 'running') ? 'running' : 'idle',
          count: runs.length };
      }

      row(run, time) {
        const cell = (value, isNumber) => h('td', { class: isNumber ? 'number' : null }, value);
        return h('tr', {},
          h('th', { scope: 'row' },
            h('a', { href: `#/run/${encodeURIComponent(run.name)}` }, run.name)),
          cell(badge(run.state)), cell(bar(run.steps ? run.step / run.steps : 0)),
          cell(`${whole(run.step)}${run.steps ? ` / ${whole(run.steps)}` : ''}`, true),
          cell(number(run.loss), true), cell(large(run.tokens_per_second), true),
          cell(whole(run.ranks), true), cell(whole(run.restarts), true),
          cell(clock(run.started)), cell(ago(run.written, time)));
      }

      summary(list) { return `${list.count} runs`; }
    }

    """#
}
