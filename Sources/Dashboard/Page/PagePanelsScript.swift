// panels.js: the parts of a run's page that are text, tables and bars: links, memory, ranks,
// configuration, events.

enum PagePanelsScript {
  static let text = #"""
    import { bar, h, s, table } from './dom.js';
    import { ago, bytes, clock, percent, seconds, whole } from './format.js';

    export function panel(title, id, ...content) {
      const note = h('span', { class: 'note' });
      const tools = h('span', { class: 'tools' });
      const element = h('section', { class: 'panel', 'aria-labelledby': id },
        h('header', {}, h('h2', { id }, title), note, tools), ...content);
      return { element, note, tools };
    }

    const shown = (value) => h('span', {}, value);

    export function links(report, latest) {
      const use = report?.links ?? {};
      const rows = [
        ['NVLink', use.nvlink_utilisation, use.nvlink_bytes, latest?.nvlink_bytes],
        ['InfiniBand', use.infiniband_utilisation, use.infiniband_bytes, latest?.infiniband_bytes],
      ].map(([name, share, charged, trained]) => [name, bar(share ?? 0),
        shown(percent(share)), shown(bytes(charged)), shown(bytes(trained))]);
      return h('div', {},
        table('Of all ports in one direction, over the simulated step',
          ['', 'use', '', 'charged bytes', 'trained bytes'], rows),
        h('p', { class: 'note' }, 'Charged: at the sizes the simulated cluster is charged for. '
          + 'Trained: token rows of this model.'));
    }

    const parts = ['parameters', 'gradients', 'optimizer', 'activations', 'buffers'];

    function stack(memory, most) {
      return h('span', { class: 'stack', role: 'img', 'aria-label': parts.map((part) =>
        `${part} ${bytes(memory[part])}`).join(', ') }, parts.map((part, index) => {
        const piece = h('span', { class: `m${index + 1}`,
          title: `${part} ${bytes(memory[part])}` });
        piece.style.width = `${100 * (memory[part] ?? 0) / most}%`;
        return piece;
      }));
    }

    export function memory(report, latest) {
      const kinds = [
        ['counted', report?.counted_memory_bytes ?? latest?.memory_bytes],
        ['predicted', report?.predicted_memory_bytes],
      ].filter(([, value]) => value?.total > 0);
      const most = Math.max(...kinds.map(([, value]) => value.total));
      const content = [];
      if (kinds.length > 0) {
        content.push(table('This model’s tensors on its fullest rank at the peak of a step',
          ['', 'parts', 'total'],
          kinds.map(([name, value]) => [name, stack(value, most), shown(bytes(value.total))])));
      }
      if (report?.memory_bytes?.total > 0) {
        content.push(table('On the fullest GPU of the simulated cluster, at charged sizes',
          ['', 'parts', 'total'], [['simulated', stack(report.memory_bytes,
            report.memory_bytes.total), shown(bytes(report.memory_bytes.total))]]));
      }
      content.push(h('ul', { class: 'keys' }, parts.map((part, index) => h('li', {},
        s('svg', { viewBox: '0 0 14 12', 'aria-hidden': 'true' },
          s('rect', { class: `m${index + 1}`, width: 14, height: 12 })), part))));
      return h('div', {}, content);
    }

    /** What each rank does at this moment. */
    export function ranks(states, now) {
      const most = Math.max(1, ...states.map((one) => one.resident_bytes));
      const heads = ['', 'host', 'doing', 'waits for', 'heard of', 'tensors', 'resident', ''];
      return table('What each rank does at this moment', heads,
        states.map((one) => [`rank ${one.rank}`, one.host,
          one.phase === 'schedule' ? `step ${one.step}, action ${one.actions_done + 1}`
            : `${one.phase}${one.step > 0 ? `, step ${one.step}` : ''}`,
          one.wait === 'nothing' ? '–'
            : `${one.wait}${one.peer === null ? '' : ` of rank ${one.peer}`}`,
          one.alive === false ? 'process has ended' : ago(one.time, now),
          shown(bytes(one.tensor_bytes)), shown(bytes(one.resident_bytes)),
          bar(one.resident_bytes / most)]), { hidden: true });
    }

    /** Where the critical rank's step goes. */
    export function breakdown(report) {
      const whole = report.step_seconds;
      const rows = ['forward_only', 'overlapped', 'backward_only', 'weight_only', 'optimizer',
        'bubble'].map((part) => [part, report.breakdown?.[part]])
        .filter(([, time]) => time !== undefined).map(([part, time]) =>
          [part.replaceAll('_', ' '), bar(time / whole), shown(percent(time / whole)),
            shown(seconds(time))]);
      return table(`Rank ${report.critical_rank}, which waits least, over ${seconds(whole)}`,
        ['', 'share', '', 'time'], rows);
    }

    export function waits(report) {
      const list = report.exposures ?? [];
      return list.length === 0 ? h('p', { class: 'note' }, 'No exchange held anybody up.')
        : h('ol', {}, list.slice(0, 5).map((one) => h('li', {}, one.sentence)));
    }

    export function events(list, omitted) {
      if (list.length === 0) {
        return h('p', { class: 'note' },
          'Nothing has happened to this run, as far as its files tell.');
      }
      return h('div', {}, omitted > 0
        ? h('p', { class: 'note' }, `${whole(omitted)} earlier ones are left out`) : null,
      h('ol', { class: 'events', reversed: true }, list.toReversed().map((one) =>
        h('li', { class: one.kind },
          h('time', { class: 'muted' }, clock(one.time)),
          h('span', { class: 'what' }, one.kind.replaceAll('_', ' ')),
          h('div', { class: 'said-of' }, h('p', {}, one.message), one.details.length === 0 ? null
            : h('details', {}, h('summary', {}, 'Details'), h('pre', { tabindex: 0 },
              one.details.join('\n'))))))));
    }

    export function configuration(yaml) {
      return h('pre', { class: 'yaml', tabindex: 0, role: 'region', 'aria-label': 'config.yaml' },
        yaml);
    }

    """#
}
