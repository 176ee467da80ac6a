// heatmap.js: how many tokens each expert of each layer got in the last step, against the mean.

enum PageHeatMapScript {
  static let text = #"""
    import { h, s, say, table, Disclosure } from './dom.js';
    import { number, whole } from './format.js';

    const left = 58;

    export class HeatMap {
      constructor() {
        this.svg = s('svg', {
          tabindex: 0, role: 'img', pointermove: (event) => this.point(event),
          pointerleave: () => { this.tip.hidden = true; }, keydown: (event) => this.key(event),
        });
        this.tip = h('div', { class: 'tip', hidden: true });
        this.said = h('output', { class: 'said' });
        this.values = new Disclosure('Tokens of each expert as a table', () => this.table());
        this.element = h('figure', {}, this.svg, this.tip,
          h('p', { class: 'keys' }, h('span', {}, 'no token', h('span', { class: 'ramp' }),
            'three times the mean of the layer, or more')),
          this.said, this.values.element);
        new ResizeObserver(() => this.draw()).observe(this.element);
      }

      update(data) {
        this.data = data;
        this.rows = data.layers.map((one) => {
          const mean = one.tokens.reduce((sum, count) => sum + count, 0) / one.tokens.length;
          return { ...one, mean, ratios: one.tokens.map((count) => mean > 0 ? count / mean : 1) };
        });
        this.draw();
        this.values.update();
      }

      draw() {
        const width = this.element.clientWidth;
        const experts = Math.max(0, ...(this.rows ?? []).map((row) => row.tokens.length));
        if (width === 0 || experts === 0) return;
        this.wide = (width - left - 2) / experts;
        this.tall = Math.max(14, Math.min(30, this.wide));
        const height = this.rows.length * this.tall + 20;
        this.svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
        this.svg.setAttribute('height', height);
        this.svg.setAttribute('aria-label',
          `Load of ${experts} experts in ${this.rows.length} layers, step ${this.data.step}. `
          + this.rows.map((row) => this.worst(row)).join('; ')
          + '. Arrow keys read single experts.');
        const each = Math.ceil(experts / Math.max(1, (width - left) / 34));
        const places = [...Array(experts).keys()].filter((expert) => expert % each === 0);
        this.svg.replaceChildren(
          ...this.rows.flatMap((row, place) => this.row(row, place)),
          ...places.map((expert) => s('text', { x: left + (expert + 0.5) * this.wide,
            y: height - 5, 'text-anchor': 'middle' }, String(expert))));
        if (this.chosen) this.outline();
      }

      row(row, place) {
        const y = place * this.tall;
        return [
          s('text', { x: left - 8, y: y + this.tall / 2 + 4, 'text-anchor': 'end' },
            `layer ${row.layer}`),
          ...row.ratios.map((ratio, expert) => {
            const cell = s('rect', { class: ratio >= 1 ? 'cell over' : 'cell under',
              x: left + expert * this.wide, y, width: this.wide, height: this.tall });
            const share = ratio >= 1 ? Math.min(1, (ratio - 1) / 2) : 1 - ratio;
            cell.style.setProperty('--share', `${Math.round(100 * share)}%`);
            return cell;
          })];
      }

      outline() {
        const { place, expert } = this.chosen;
        this.svg.querySelector('.chosen')?.remove();
        this.svg.append(s('rect', { class: 'chosen', x: left + expert * this.wide,
          y: place * this.tall, width: this.wide, height: this.tall }));
      }

      worst(row) {
        const ratio = Math.max(...row.ratios);
        return `layer ${row.layer}: fullest expert ${row.ratios.indexOf(ratio)} with `
          + `${number(ratio, 3)} times the mean`;
      }

      describe(place, expert) {
        const row = this.rows[place];
        return `layer ${row.layer}, expert ${expert}: ${whole(row.tokens[expert])} tokens, `
          + `${number(row.ratios[expert], 3)} × mean`;
      }

      point(event) {
        if (!this.wide) return;
        const box = this.svg.getBoundingClientRect();
        const place = Math.floor((event.clientY - box.top) / this.tall);
        const expert = Math.floor((event.clientX - box.left - left) / this.wide);
        this.tip.hidden = !(this.rows[place]?.tokens[expert] >= 0);
        if (this.tip.hidden) return;
        say(this.tip, this.describe(place, expert));
        const room = this.element.clientWidth - this.tip.offsetWidth;
        this.tip.style.left = `${Math.max(0, Math.min(room, event.clientX - box.left + 14))}px`;
        this.tip.style.top = `${event.clientY - box.top + 18}px`;
      }

      key(event) {
        const moves = {
          ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0],
        };
        if (!(event.key in moves) || !this.wide) return;
        event.preventDefault();
        const [down, along] = this.chosen ? moves[event.key] : [0, 0];
        const place = Math.max(0, Math.min(this.rows.length - 1,
          (this.chosen?.place ?? 0) + down));
        const last = this.rows[place].tokens.length - 1;
        const expert = Math.max(0, Math.min(last, (this.chosen?.expert ?? 0) + along));
        this.chosen = { place, expert };
        this.outline();
        say(this.said, this.describe(place, expert));
      }

      table() {
        return table(`Tokens of each expert, step ${this.data.step}`,
          ['', 'fullest over mean', ...this.rows[0].tokens.keys()].map(String),
          this.rows.map((row) => [`layer ${row.layer}`, Math.max(...row.ratios).toFixed(2),
            ...row.tokens].map((value, index) =>
            index === 0 ? value : h('span', {}, String(value)))));
      }
    }

    """#
}
