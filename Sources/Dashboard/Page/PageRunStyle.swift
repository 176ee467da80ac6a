// run.css: the page of a run: tiles, panels, charts, the timeline, the heat map, bars.

enum PageRunStyle {
  static let text = #"""
    .head { display: flex; flex-wrap: wrap; align-items: center; gap: .5rem 1rem;
      margin-bottom: .8rem; }
    .head .reason { flex-basis: 100%; color: var(--bad); overflow-wrap: anywhere; }
    .progress { display: flex; align-items: center; gap: .9rem; margin-bottom: 1rem;
      font-variant-numeric: tabular-nums; flex-wrap: wrap; }
    .progress .bar { flex: 1; min-width: 8rem; }

    .tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.6rem, 1fr));
      gap: .6rem; margin: 0 0 1.1rem; padding: 0; }
    .tiles > div { background: var(--panel); border: 1px solid var(--line); border-radius: 10px;
      padding: .55rem .8rem .6rem; min-width: 0; }
    .tiles dt { color: var(--muted); font-size: .8rem; white-space: nowrap; overflow: hidden;
      text-overflow: ellipsis; }
    .tiles dd { margin: 0; font-size: 1.25rem; font-weight: 650; white-space: nowrap;
      font-variant-numeric: tabular-nums; }
    .tiles small { font-size: .75rem; font-weight: 400; color: var(--muted); }

    .panel { background: var(--panel); border: 1px solid var(--line); border-radius: 10px;
      padding: .9rem 1rem 1rem; margin: 0 0 1.1rem; min-width: 0; }
    .panel > header { display: flex; flex-wrap: wrap; align-items: baseline; gap: .3rem .9rem;
      margin-bottom: .6rem; }
    .panel > header .tools { margin-left: auto; display: flex; gap: .35rem; flex-wrap: wrap; }
    .panel .note { color: var(--muted); font-size: .85rem; }
    .pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr));
      gap: 0 1.1rem; }
    .charts { display: grid; gap: 1.2rem 1.4rem;
      grid-template-columns: repeat(auto-fill, minmax(min(100%, 18rem), 1fr)); }

    .scroll + .scroll { margin-top: .9rem; }
    details { margin-top: .5rem; font-size: .85rem; }
    summary { color: var(--muted); cursor: pointer; width: fit-content; }
    details .scroll { max-height: 22rem; overflow: auto; margin-top: .35rem; }

    figure { margin: 0; position: relative; min-width: 0; }
    figcaption { display: flex; align-items: baseline; gap: .3rem .9rem; margin-bottom: .15rem;
      flex-wrap: wrap; }
    figcaption .key { font-size: .82rem; color: var(--muted); font-variant-numeric: tabular-nums; }
    figcaption .key b { color: var(--text); font-weight: 600; }
    .key i { display: inline-block; width: .8rem; height: .2rem; margin-right: .35rem;
      vertical-align: .22em; border-radius: 2px; background: var(--one); }
    .key.two i { background: var(--two); }
    svg { display: block; width: 100%; touch-action: pan-y; }
    svg text { font-size: 11px; fill: var(--muted); font-variant-numeric: tabular-nums; }
    .grid { stroke: var(--line); stroke-width: 1; shape-rendering: crispEdges; }
    .line { fill: none; stroke: var(--one); stroke-width: 1.7; stroke-linejoin: round; }
    .line.two { stroke: var(--two); }
    .line.faint { opacity: .28; stroke-width: 1; }
    .dot { fill: var(--one); stroke: var(--panel); stroke-width: 1.5; }
    .dot.two { fill: var(--two); }
    .cross { stroke: var(--muted); stroke-dasharray: 3 3; }
    .tip { position: absolute; z-index: 3; pointer-events: none; background: var(--text);
      color: var(--panel); font-size: .8rem; padding: .3rem .55rem; border-radius: 6px;
      white-space: pre; font-variant-numeric: tabular-nums; line-height: 1.35; }

    .lane { fill: var(--gap); }
    .F { fill: var(--F); } .B { fill: var(--B); } .I { fill: var(--I); } .W { fill: var(--W); }
    .optimizer { fill: var(--O); }
    svg text.on { fill: var(--on); font-size: 10px; text-anchor: middle; pointer-events: none; }
    svg text.on.W { fill: var(--onW); }
    .chosen { fill: none; stroke: var(--text); stroke-width: 2; }
    .keys { display: flex; flex-wrap: wrap; gap: .2rem 1rem; font-size: .82rem;
      color: var(--muted); list-style: none; padding: 0; margin: .5rem 0 0; }
    .keys svg { display: inline-block; width: 14px; height: 12px; vertical-align: -1px;
      margin-right: .35rem; }
    .said { display: block; font-size: .85rem; color: var(--muted);
      font-variant-numeric: tabular-nums; }
    .draggable { cursor: grab; } .draggable:active { cursor: grabbing; }

    .cell { stroke: var(--panel); stroke-width: 1; }
    .cell.over { fill: color-mix(in oklab, var(--over) var(--share), var(--even)); }
    .cell.under { fill: color-mix(in oklab, var(--under) var(--share), var(--even)); }
    .ramp { display: inline-block; width: 9rem; height: .7rem; border-radius: 3px;
      vertical-align: -1px; margin: 0 .4rem;
      background: linear-gradient(90deg, var(--under), var(--even) 50%, var(--over)); }

    .stack { display: flex; height: 1.15rem; border-radius: 5px; overflow: hidden;
      background: var(--soft); min-width: 6rem; }
    .stack > span { display: block; height: 100%; }
    .m1 { background: var(--m1); fill: var(--m1); } .m2 { background: var(--m2); fill: var(--m2); }
    .m3 { background: var(--m3); fill: var(--m3); } .m4 { background: var(--m4); fill: var(--m4); }
    .m5 { background: var(--m5); fill: var(--m5); }
    td.wide { width: 60%; }

    .yaml { columns: 19rem; column-gap: 2rem; column-rule: 1px solid var(--line); }
    .panel .yaml { max-height: none; overflow-x: auto; white-space: pre-wrap; }
    pre { margin: 0; font: .82rem/1.5 ui-monospace, "DejaVu Sans Mono", monospace;
      max-height: 26rem; overflow: auto; white-space: pre; }
    .events { list-style: none; margin: 0; padding: 0; }
    .events > li { display: grid; grid-template-columns: 9.5rem 6.5rem 1fr; gap: .2rem .8rem;
      padding: .45rem 0; border-bottom: 1px solid var(--line); font-size: .88rem; }
    .events > li:last-child { border-bottom: 0; }
    .events .what { font-weight: 600; }
    .events .failure .what, .events .gave_up .what { color: var(--bad); }
    .events .restart .what, .events .fallback .what, .events .fault .what { color: var(--warn); }
    .events pre { max-height: 14rem; margin-top: .3rem; }
    .events p { overflow-wrap: anywhere; }
    @media (max-width: 40rem) {
      .events > li { grid-template-columns: 1fr auto; }
      .events .said-of { grid-column: 1 / -1; }
      .tiles { grid-template-columns: repeat(2, minmax(0, 1fr)); }
    }
    @media (prefers-reduced-motion: no-preference) {
      .bar > span, .stack > span { transition: width .4s ease; }
    }

    """#
}
