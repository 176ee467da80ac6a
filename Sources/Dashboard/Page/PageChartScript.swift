// chart.js: lines over steps, with a cross-hair for the mouse, the arrow keys and a table.

enum PageChartScript {
  static let text = #"""
    import { h, s, say, table, Disclosure } from './dom.js';
    import { bounds, logTicks, nearest, smoothed, ticks, wholeTicks } from './scale.js';
    import { exact, whole } from './format.js';

    const edge = { left: 50, right: 14, top: 8, bottom: 22 };
    const height = 176;

    export class Chart {
      /** `series`: [{key, name}], at most two; `format` is for values and the axis. */
      constructor({ title, series, format, fromZero = false, mayBeLog = false,
        isNoisy = true }) {
        Object.assign(this, { title, series, format, fromZero, mayBeLog, isNoisy });
        [this.isLog, this.isSmooth] = [false, false];
        this.data = { step: [] };
        this.keys = series.map((one, index) => h('b', { 'data-latest': one.key }, '–'));
        this.svg = s('svg', {
          height, tabindex: 0, role: 'img',
          pointermove: (event) => this.point(event), pointerleave: () => this.choose(null),
          keydown: (event) => this.key(event), blur: () => this.choose(null),
        });
        this.tip = h('div', { class: 'tip', hidden: true });
        this.said = h('output', { class: 'unseen' });
        this.values = new Disclosure('Values as a table', () => this.table());
        this.element = h('figure', {},
          h('figcaption', {}, h('h3', {}, title), series.map((one, index) => h('span',
            { class: index ? 'key two' : 'key' }, h('i'),
            series.length > 1 ? `${one.name} ` : '', this.keys[index]))),
          this.svg, this.tip, this.said, this.values.element);
        new ResizeObserver(() => this.draw()).observe(this.element);
      }

      update(data) {
        this.data = data;
        this.element.hidden = !this.series.some((one) =>
          (data[one.key] ?? []).some((value) => value !== null));
        this.series.forEach((one, index) => {
          const value = data[one.key]?.at(-1);
          say(this.keys[index], this.format(value));
          Object.assign(this.keys[index].dataset, { value, step: data.step.at(-1) });
        });
        this.draw();
        this.values.update();
      }

      draw() {
        const width = this.element.clientWidth;
        const steps = this.data.step;
        if (width === 0 || steps.length === 0) return;
        const lines = this.series.map((one) => this.data[one.key] ?? []);
        const isLog = this.isLog && this.mayBeLog
          && lines.flat().every((value) => value === null || value > 0);
        const scale = (value) => isLog && value !== null ? Math.log10(value) : value;
        const range = bounds(lines.flat().map(scale), this.fromZero && !isLog);
        if (!range) return;
        const [low, high] = range;
        const [first, last] = [steps[0], Math.max(steps.at(-1), steps[0] + 1)];
        const [right, bottom] = [width - edge.right, height - edge.bottom];
        this.x = (step) => edge.left + (step - first) / (last - first) * (right - edge.left);
        this.y = (value) => bottom - (scale(value) - low) / (high - low) * (bottom - edge.top);
        const marks = isLog ? logTicks(10 ** low, 10 ** high) : ticks(low, high, 4);
        this.svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
        const label = this.series.map((one, index) =>
          `${one.name} ${this.format(lines[index].at(-1))}`).join(', ');
        this.svg.setAttribute('aria-label',
          `${this.title}, steps ${first} to ${steps.at(-1)}; last: ${label}. `
          + 'Left and right arrows read single steps.');
        this.mark = s('g');
        this.svg.replaceChildren(
          ...marks.flatMap((value) => [
            s('line', { class: 'grid', x1: edge.left, x2: right, y1: this.y(value),
              y2: this.y(value) }),
            s('text', { x: edge.left - 7, y: this.y(value) + 4, 'text-anchor': 'end' },
              this.format(value))]),
          ...wholeTicks(first, steps.at(-1), width / 75).map((step, place) =>
            s('text', { x: this.x(step), y: height - 6, 'text-anchor': place ? 'middle' : 'start' },
              place ? whole(step) : `step ${whole(step)}`)),
          ...lines.flatMap((line, index) => this.line(steps, line, index, right - edge.left)),
          this.mark);
        if (this.chosen !== null && this.chosen !== undefined) this.choose(this.chosen);
      }

      line(steps, values, index, width) {
        const name = index ? ' two' : '';
        const end = values.findLastIndex((value) => value !== null);
        if (end < 0) return [];
        const path = (shown, more = '') => s('path',
          { class: `line${name}${more}`, d: this.path(steps, shown, width) });
        return [
          ...(this.isSmooth && this.isNoisy
            ? [path(values, ' faint'), path(smoothed(values))] : [path(values)]),
          s('circle', { class: `dot${name}`, r: 3.5, cx: this.x(steps[end]),
            cy: this.y(values[end]) })];
      }

      /** A line; of more points than the screen has, the smallest and largest of each pixel. */
      path(steps, values, width) {
        const each = Math.max(1, Math.floor(steps.length / width));
        let text = '';
        let isDown = false;
        const to = (place) => {
          text += `${isDown ? 'L' : 'M'}${this.x(steps[place]).toFixed(1)} `
            + `${this.y(values[place]).toFixed(1)}`;
          isDown = true;
        };
        for (let start = 0; start < steps.length; start += each) {
          let [low, high] = [-1, -1];
          for (let place = start; place < Math.min(start + each, steps.length); place++) {
            if (values[place] === null || values[place] === undefined) continue;
            if (low < 0 || values[place] < values[low]) low = place;
            if (high < 0 || values[place] > values[high]) high = place;
          }
          if (low < 0) { isDown = false; continue; }
          to(Math.min(low, high));
          if (low !== high) to(Math.max(low, high));
        }
        return text;
      }

      point(event) {
        if (!this.x || this.data.step.length === 0) return;
        const box = this.svg.getBoundingClientRect();
        const steps = this.data.step;
        const [first, last] = [steps[0], Math.max(steps.at(-1), steps[0] + 1)];
        const share = (event.clientX - box.left - edge.left)
          / (box.width - edge.left - edge.right);
        this.choose(nearest(steps, first + share * (last - first)));
      }

      key(event) {
        const count = this.data.step.length;
        const moves = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 };
        let place = this.chosen ?? count;
        if (event.key in moves) place += moves[event.key];
        else if (event.key === 'Home') place = 0;
        else if (event.key === 'End') place = count - 1;
        else return;
        event.preventDefault();
        this.choose(Math.max(0, Math.min(count - 1, place)));
        say(this.said, this.tip.textContent.replaceAll('\n', ', '));
      }

      choose(place) {
        this.chosen = place;
        this.tip.hidden = place === null;
        if (!this.mark) return;
        if (place === null || place >= this.data.step.length) return this.mark.replaceChildren();
        const step = this.data.step[place];
        const x = this.x(step);
        const shown = this.series.map((one, index) =>
          ({ ...one, index, value: this.data[one.key]?.[place] ?? null }))
          .filter((one) => one.value !== null);
        this.mark.replaceChildren(
          s('line', { class: 'cross', x1: x, x2: x, y1: edge.top, y2: height - edge.bottom }),
          ...shown.map((one) => s('circle', { class: one.index ? 'dot two' : 'dot', r: 4, cx: x,
            cy: this.y(one.value) })));
        say(this.tip, [`step ${whole(step)}`, ...shown.map((one) =>
          `${one.name} ${this.format(one.value)}`)].join('\n'));
        const room = this.element.clientWidth - this.tip.offsetWidth - 4;
        this.tip.style.left = `${Math.max(0, Math.min(room, x + 12))}px`;
        this.tip.style.top = `${this.svg.getBoundingClientRect().top
          - this.element.getBoundingClientRect().top + 10}px`;
      }

      /** The last steps, the newest first. */
      table() {
        const count = this.data.step.length;
        const rows = [];
        for (let place = count - 1; place >= Math.max(0, count - 100); place--) {
          rows.push([String(this.data.step[place]),
            ...this.series.map((one) => h('span', {}, exact(this.data[one.key]?.[place])))]);
        }
        return table(`${this.title}, the last ${rows.length} of ${count} steps`,
          ['step', ...this.series.map((one) => one.name)], rows);
      }
    }

    """#
}
