// timeline.js: what each pipeline rank did when in the last simulated step, to be zoomed into by
// buttons, wheel, drag and keys.

enum PageTimelineScript {
  static let text = #"""
    import { h, s, say, table, Disclosure } from './dom.js';
    import { ticks } from './scale.js';
    import { percent, seconds } from './format.js';

    const left = 58;
    const right = 62;
    const lane = 30;
    const names = {
      F: 'forward', B: 'backward', I: 'input gradient', W: 'weight gradient',
      FB: 'forward and backward overlapped', optimizer: 'optimizer',
    };

    export class Timeline {
      constructor() {
        this.svg = s('svg', {
          tabindex: 0, role: 'img', class: 'draggable',
          wheel: (event) => this.wheel(event), keydown: (event) => this.key(event),
          pointerdown: (event) => this.grab(event), pointermove: (event) => this.move(event),
          pointerup: () => { this.grip = null; }, pointerleave: () => this.leave(),
          dblclick: (event) => this.zoom(0.4, this.timeAt(event)),
        });
        this.tip = h('div', { class: 'tip', hidden: true });
        this.said = h('output', { class: 'said' });
        this.values = new Disclosure('Time of each rank as a table', () => this.table());
        const tool = (label, text, act) =>
          h('button', { type: 'button', 'aria-label': label, title: label, click: act }, text);
        this.tools = [
          tool('Zoom in', '+', () => this.zoom(0.5)), tool('Zoom out', '−', () => this.zoom(2)),
          tool('Earlier', '←', () => this.pan(-0.3)), tool('Later', '→', () => this.pan(0.3)),
          tool('Show the whole step', 'Fit', () => this.fit())];
        this.legend = h('ul', { class: 'keys' });
        this.element = h('figure', {}, this.svg, this.tip, this.legend, this.said,
          this.values.element);
        new ResizeObserver(() => this.draw()).observe(this.element);
      }

      update(data) {
        const isZoomed = this.data && this.span < this.total * 0.999;
        const share = isZoomed ? [this.from / this.total, this.span / this.total] : [0, 1];
        this.data = data;
        this.total = data.step_seconds;
        [this.from, this.span] = share.map((part) => part * this.total);
        const kinds = new Set(data.ranks.flatMap((row) => row.spans.map((one) => one.kind)));
        this.legend.replaceChildren(...Object.keys(names).filter((kind) => kinds.has(kind))
          .map((kind) => h('li', {}, this.sample(kind), names[kind])));
        this.draw();
        this.values.update();
      }

      sample(kind) {
        const box = { x: 0, y: 0, width: 14, height: 12 };
        return s('svg', { viewBox: '0 0 14 12', 'aria-hidden': 'true' }, this.boxes(kind, box));
      }

      /** One box, or the two halves of an overlapped pair. */
      boxes(kind, { x, y, width, height }) {
        if (kind !== 'FB') return [s('rect', { class: kind, x, y, width, height })];
        return [
          s('rect', { class: 'F', x, y, width, height: height / 2 }),
          s('rect', { class: 'B', x, y: y + height / 2, width, height: height / 2 })];
      }

      draw() {
        const width = this.element.clientWidth;
        if (!this.data || width === 0 || !(this.total > 0)) return;
        this.width = width - left - right;
        const rows = this.data.ranks;
        const bottom = rows.length * lane + 4;
        const x = (time) => left + (time - this.from) / this.span * this.width;
        this.svg.setAttribute('viewBox', `0 0 ${width} ${bottom + 20}`);
        this.svg.setAttribute('height', bottom + 20);
        this.svg.setAttribute('aria-label',
          `Pipeline of step ${this.data.step}: ${rows.length} ranks over ${seconds(this.total)}. `
          + 'Arrow keys go from action to action, plus and minus zoom, 0 shows all.');
        const shown = s('g', { 'clip-path': 'url(#timeline-window)' });
        rows.forEach((row, place) => this.lane(row, place, x, shown));
        this.svg.replaceChildren(
          s('defs', {}, s('clipPath', { id: 'timeline-window' },
            s('rect', { x: left, y: 0, width: this.width, height: bottom }))),
          ...rows.flatMap((row, place) => [
            s('text', { x: left - 8, y: place * lane + lane / 2 + 4, 'text-anchor': 'end' },
              `rank ${row.rank}`),
            s('text', { x: width - right + 8, y: place * lane + lane / 2 + 4 },
              `${percent(this.busy(row), 2)} busy`)]),
          ...ticks(this.from, this.from + this.span, this.width / 85).map((time) => s('text',
            { x: x(time), y: bottom + 15, 'text-anchor': 'middle' }, seconds(time))),
          shown);
      }

      lane(row, place, x, group) {
        const [top, tall] = [place * lane + 3, lane - 6];
        group.append(s('rect', { class: 'lane', x: left, y: top, width: this.width,
          height: tall }));
        row.spans.forEach((one, index) => {
          if (one.end < this.from || one.start > this.from + this.span) return;
          const start = x(one.start);
          const wide = Math.max(0.5, x(one.end) - start - (x(one.end) - start > 3 ? 0.8 : 0));
          group.append(...this.boxes(one.kind, { x: start, y: top, width: wide, height: tall }));
          this.write(one, start, wide, top, tall, group);
          if (this.chosen?.place === place && this.chosen.index === index) {
            group.append(s('rect', { class: 'chosen', x: start + 1, y: top + 1,
              width: Math.max(1, wide - 2), height: tall - 2 }));
          }
        });
      }

      /** The micro-batch where there is room for it, with its stage where there is more. */
      write(one, start, wide, top, tall, group) {
        const middle = start + wide / 2;
        const text = (part, y, kind) => {
          if (part?.microbatch === undefined || wide < 15) return;
          const words = wide > 64 ? `${part.microbatch} · stage ${part.stage}` : part.microbatch;
          group.append(s('text', { class: `on ${kind}`, x: middle, y }, String(words)));
        };
        if (one.kind === 'FB') {
          text(one, top + tall / 2 - 2, 'F');
          text(one.backward, top + tall - 2, 'B');
        } else {
          text(one, top + tall / 2 + 4, one.kind);
        }
      }

      /** Share of the step in which the rank is at an action; the rest it waits. */
      busy(row) {
        return row.spans.reduce((sum, one) => sum + one.end - one.start, 0) / this.total;
      }

      describe(row, one) {
        const of = (part) => part?.microbatch === undefined
          ? '' : ` of stage ${part.stage}, micro-batch ${part.microbatch}`;
        const what = one.kind === 'FB'
          ? `forward${of(one)}, with backward${of(one.backward)}`
          : `${names[one.kind] ?? one.kind}${of(one)}`;
        return [`rank ${row.rank}: ${what}`,
          `${seconds(one.start)} to ${seconds(one.end)}, ${seconds(one.end - one.start)} long`];
      }

      fit() { [this.from, this.span] = [0, this.total]; this.draw(); }

      zoom(factor, around = this.middle()) {
        if (!this.data) return;
        const span = Math.min(this.total, Math.max(this.total / 2000, this.span * factor));
        this.from = around - (around - this.from) * span / this.span;
        this.span = span;
        this.pan(0);
      }

      pan(share) {
        if (!this.data) return;
        this.from = Math.min(this.total - this.span,
          Math.max(0, this.from + share * this.span));
        this.draw();
      }

      middle() {
        const one = this.chosen && this.data.ranks[this.chosen.place]?.spans[this.chosen.index];
        return one ? (one.start + one.end) / 2 : this.from + this.span / 2;
      }

      timeAt(event) {
        const place = event.clientX - this.svg.getBoundingClientRect().left - left;
        return this.from + place / this.width * this.span;
      }

      /** The page scrolls as ever unless a key is held or the timeline has the focus. */
      wheel(event) {
        const isMeant = event.ctrlKey || event.metaKey || event.shiftKey
          || document.activeElement === this.svg;
        if (!isMeant) return;
        event.preventDefault();
        const amount = event.deltaY || event.deltaX;
        this.zoom(Math.exp(Math.max(-1, Math.min(1, amount / 300))), this.timeAt(event));
      }

      grab(event) {
        this.grip = { x: event.clientX, from: this.from };
        this.svg.setPointerCapture(event.pointerId);
      }

      move(event) {
        if (!this.data) return;
        if (this.grip) {
          this.from = this.grip.from
            - (event.clientX - this.grip.x) / this.width * this.span;
          return this.pan(0);
        }
        const box = this.svg.getBoundingClientRect();
        const row = this.data.ranks[Math.floor((event.clientY - box.top) / lane)];
        const time = this.timeAt(event);
        const one = row?.spans.find((each) => each.start <= time && time < each.end);
        this.tip.hidden = !one || time < this.from || time > this.from + this.span;
        if (this.tip.hidden) return;
        say(this.tip, this.describe(row, one).join('\n'));
        const room = this.element.clientWidth - this.tip.offsetWidth;
        this.tip.style.left = `${Math.max(0, Math.min(room, event.clientX - box.left + 14))}px`;
        this.tip.style.top = `${event.clientY - box.top + 18}px`;
      }

      leave() { this.tip.hidden = true; this.grip = null; }

      key(event) {
        if (!this.data) return;
        const acts = {
          '+': () => this.zoom(0.5), '=': () => this.zoom(0.5), '-': () => this.zoom(2),
          0: () => this.fit(), ArrowLeft: () => this.step(0, -1), ArrowRight: () => this.step(0, 1),
          ArrowUp: () => this.step(-1, 0), ArrowDown: () => this.step(1, 0),
        };
        if (!(event.key in acts) || event.ctrlKey || event.metaKey) return;
        event.preventDefault();
        acts[event.key]();
      }

      /** Goes to the next action of this rank, or the one at the same time of another. */
      step(ranks, actions) {
        const rows = this.data.ranks;
        if (!this.chosen) [ranks, actions] = [0, 0];
        const now = this.chosen ? this.middle() : this.from;
        const place = Math.max(0, Math.min(rows.length - 1, (this.chosen?.place ?? 0) + ranks));
        const spans = rows[place].spans;
        if (spans.length === 0) return;
        const at = Math.max(0, spans.findIndex((one) => one.end > now));
        const index = this.chosen && ranks === 0 ? this.chosen.index + actions : at;
        this.chosen = { place, index: Math.max(0, Math.min(spans.length - 1, index)) };
        const one = spans[this.chosen.index];
        if (one.start < this.from || one.end > this.from + this.span) {
          this.from = (one.start + one.end - this.span) / 2;
        }
        this.pan(0);
        say(this.said, this.describe(rows[place], one).join('; '));
      }

      table() {
        const kinds = Object.keys(names).filter((kind) =>
          this.data.ranks.some((row) => row.spans.some((one) => one.kind === kind)));
        const rows = this.data.ranks.map((row) => [`rank ${row.rank}`,
          ...kinds.map((kind) => h('span', {}, seconds(row.spans.reduce((sum, one) =>
            one.kind === kind ? sum + one.end - one.start : sum, 0)))),
          h('span', {}, percent(this.busy(row)))]);
        return table(`Virtual time of step ${this.data.step} by what a rank does`,
          ['', ...kinds.map((kind) => names[kind]), 'busy'], rows);
      }
    }

    """#
}
