// run.js: the page of one run. Figures come with every look; what is large is fetched when the run
// says that it has changed.

enum PageRunScript {
  static let text = #"""
    import { badge, bar, h, say } from './dom.js';
    import { clock, duration, large, number, percent, seconds, whole, bytes } from './format.js';
    import { Chart } from './chart.js';
    import { Timeline } from './timeline.js';
    import { HeatMap } from './heatmap.js';
    import * as panels from './panels.js';

    const charts = [
      { title: 'Loss', format: number, mayBeLog: true,
        series: [{ key: 'loss', name: 'main' }, { key: 'mtp_loss', name: 'MTP' }] },
      { title: 'Throughput, tokens/s', format: large, fromZero: true,
        series: [{ key: 'tokens_per_second', name: 'tokens/s' }] },
      { title: 'Gradient norm', format: number, fromZero: true, mayBeLog: true,
        series: [{ key: 'grad_norm', name: 'norm' }] },
      { title: 'Learning rate', format: number, fromZero: true, isNoisy: false,
        series: [{ key: 'learning_rate', name: 'rate' }] },
      { title: 'Simulated step', format: seconds,
        series: [{ key: 'virtual_step_seconds', name: 'step' },
          { key: 'exposed_communication_seconds', name: 'exposed' }] },
      { title: 'Simulated efficiency', format: percent, fromZero: true,
        series: [{ key: 'mfu', name: 'MFU' }, { key: 'bubble_fraction', name: 'bubble' }] },
      { title: 'Fullest expert over mean', format: number,
        series: [{ key: 'max_expert_load_ratio', name: 'ratio' }] },
      { title: 'Wall time of a step', format: seconds, fromZero: true,
        series: [{ key: 'wall_seconds', name: 'wall' }] },
    ];
    /** Rows of metrics that are fetched at first; a chart has fewer pixels. */
    const points = 4000;

    export class RunPage {
      constructor(name, get) {
        this.name = name;
        this.get = (part) => get(`/api/runs/${encodeURIComponent(name)}${part}`);
        this.data = { step: [] };
        this.versions = {};
        this.charts = charts.map((one) => new Chart(one));
        this.timeline = new Timeline();
        this.heatMap = new HeatMap();
        this.build();
      }

      build() {
        this.state = h('span');
        this.when = h('span', { class: 'muted' });
        this.reason = h('p', { class: 'reason', hidden: true });
        this.bar = bar(0);
        this.progress = h('p', { class: 'progress' }, this.bar);
        this.done = h('span');
        this.progress.append(this.done);
        this.tiles = new Map();
        this.tileList = h('dl', { class: 'tiles' });
        const part = (title, id, ...content) => {
          const made = panels.panel(title, id, ...content);
          made.body = h('div');
          made.element.append(made.body);
          return made;
        };
        this.parts = {
          timeline: part('Pipeline of the last simulated step', 'timeline', this.timeline.element),
          loads: part('Expert load', 'loads', this.heatMap.element),
          time: part('Where the simulated step goes', 'time'),
          links: part('Link use', 'links'), memory: part('Memory', 'memory'),
          ranks: part('Ranks', 'ranks'), events: part('Failures and events', 'events'),
          config: part('Configuration', 'config'),
        };
        this.parts.timeline.tools.append(...this.timeline.tools);
        for (const key of ['timeline', 'loads', 'time', 'links', 'ranks']) {
          this.parts[key].element.hidden = true;
        }
        const { timeline, loads, time, links, memory, ranks, events, config } = this.parts;
        this.element = h('div', {},
          h('div', { class: 'head' }, h('h1', {}, this.name), this.state, this.when, this.reason),
          this.progress, this.tileList,
          h('section', { class: 'panel', 'aria-labelledby': 'charts' },
            h('header', {}, h('h2', { id: 'charts' }, 'Training'), h('span', { class: 'tools' },
              this.choice('Smooth', 'isSmooth'), this.choice('Logarithmic loss', 'isLog'))),
            h('div', { class: 'charts' }, this.charts.map((one) => one.element))),
          timeline.element, loads.element,
          h('div', { class: 'pair' }, h('div', {}, time.element, links.element),
            h('div', {}, memory.element, ranks.element)),
          events.element, config.element);
      }

      /** A button that changes how the charts are drawn. */
      choice(text, key) {
        return h('button', { type: 'button', 'aria-pressed': 'false', click: (event) => {
          const isOn = event.target.getAttribute('aria-pressed') !== 'true';
          event.target.setAttribute('aria-pressed', String(isOn));
          for (const chart of this.charts) { chart[key] = isOn; chart.draw(); }
        } }, text);
      }

      /** One look; whether more is to come. */
      async look() {
        const run = await this.get('');
        await this.metrics(run);
        this.head(run);
        const latest = run.latest ?? {};
        await this.fetch(run, 'timeline', (data) => {
          this.timeline.update(data);
          say(this.parts.timeline.note, `step ${data.step}, ${seconds(data.step_seconds)} of `
            + 'virtual time; numbers are micro-batches');
        });
        await this.fetch(run, 'loads', (data) => {
          this.heatMap.update(data);
          say(this.parts.loads.note, `step ${data.step}`);
        });
        await this.fetch(run, 'report', (data) => { this.report = data; this.reported(); });
        await this.fetch(run, 'events', (data) =>
          this.parts.events.body.replaceChildren(panels.events(data.events, data.omitted)));
        await this.fetch(run, 'config', (data) =>
          this.parts.config.body.replaceChildren(panels.configuration(data.yaml)));
        this.parts.memory.body.replaceChildren(panels.memory(this.report, latest));
        this.parts.links.body.replaceChildren(panels.links(this.report, latest));
        this.parts.links.element.hidden = latest.nvlink_bytes === undefined;
        this.parts.ranks.element.hidden = run.rank_states.length === 0;
        this.parts.ranks.body.replaceChildren(panels.ranks(run.rank_states, run.time));
        return run;
      }

      /** Fetches a part if it is another than the one that is shown. */
      async fetch(run, part, show) {
        const version = run.versions[part];
        if (this.versions[part] === version) return;
        const isThere = version !== '';
        if (isThere) show(await this.get(`/${part}`));
        if (this.parts[part]) this.parts[part].element.hidden = !isThere;
        this.versions[part] = version;
      }

      async metrics(run) {
        if (this.versions.metrics !== run.versions.metrics) {
          this.data = { step: [] };
          this.versions.metrics = run.versions.metrics;
        }
        const last = this.data.step.at(-1) ?? 0;
        if ((run.latest?.step ?? 0) <= last) return;
        const more = await this.get(`/metrics?after=${last}&points=${points}`);
        const before = this.data.step.length;
        for (const [key, values] of Object.entries(more.columns)) {
          this.data[key] = (this.data[key] ?? Array(before).fill(null)).concat(values);
        }
        for (const chart of this.charts) chart.update(this.data);
      }

      head(run) {
        if (this.shownState !== run.state) this.state.replaceChildren(badge(run.state));
        this.shownState = run.state;
        const { restarts } = run;
        say(this.when, [run.ranks ? `${run.ranks} ranks` : null,
          run.started ? `since ${clock(run.started)}` : null,
          restarts > 0 ? `restarted ${restarts === 1 ? 'once' : `${restarts} times`}` : null,
        ].filter(Boolean).join(' · '));
        this.reason.hidden = !run.reason;
        say(this.reason, run.reason ?? '');
        const share = run.steps ? run.step / run.steps : 0;
        this.bar.firstElementChild.style.width = `${100 * Math.min(1, share)}%`;
        say(this.done, `step ${whole(run.step)}${run.steps ? ` of ${whole(run.steps)}` : ''}`
          + (run.seconds_left !== null ? `, about ${duration(run.seconds_left)} left` : ''));
        const latest = run.latest ?? {};
        this.tile('Loss', number(latest.loss, 5), 'loss');
        this.tile('Tokens/s', large(latest.tokens_per_second));
        this.tile('Tokens', large(run.tokens));
        this.tile('Step, wall', seconds(latest.wall_seconds));
        this.tile('Step, simulated', seconds(latest.virtual_step_seconds));
        this.tile('MFU, simulated', percent(latest.mfu));
        this.tile('Bubble, simulated', percent(latest.bubble_fraction));
        this.tile('Peak memory', bytes(latest.peak_memory_bytes));
      }

      tile(name, value, key = name) {
        if (!this.tiles.has(name)) {
          const shown = h('dd', { 'data-tile': key });
          this.tiles.set(name, shown);
          this.tileList.append(h('div', {}, h('dt', {}, name), shown));
        }
        say(this.tiles.get(name), value);
      }

      reported() {
        this.parts.time.element.hidden = false;
        this.parts.time.body.replaceChildren(panels.breakdown(this.report),
          h('details', {}, h('summary', {}, 'Longest waits for an exchange'),
            panels.waits(this.report)));
      }

      /** What a screen reader is told now and then. */
      summary(run) {
        return `${run.state}, step ${run.step}${run.steps ? ` of ${run.steps}` : ''}, `
          + `loss ${number(run.loss)}`;
      }
    }

    """#
}
