// base.css: colours of the light and the dark page, text, tables, buttons.

enum PageBaseStyle {
  static let text = #"""
    :root {
      color-scheme: light dark;
      --page: #f4f6f8; --panel: #ffffff; --text: #1a2027; --muted: #556270; --line: #d7dee5;
      --soft: #eaeff4; --accent: #0b5cad; --focus: #0b5cad;
      --one: #0b5cad; --two: #b4530a; --good: #1a7048; --warn: #8a5a00; --bad: #b3261e;
      --F: #2f74c9; --B: #24845a; --I: #0e7f90; --W: #c98a12; --O: #7b8794; --gap: #e9eef3;
      --on: #ffffff; --onW: #221600;
      --under: #2f74c9; --even: #f2f4f6; --over: #c2410c;
      --m1: #2f74c9; --m2: #24845a; --m3: #c98a12; --m4: #8b5fc0; --m5: #7b8794;
    }
    @media (prefers-color-scheme: dark) {
      :root {
        --page: #0e1217; --panel: #161c23; --text: #e5ebf1; --muted: #9eabb8; --line: #2b3540;
        --soft: #1f2831; --accent: #74b4ff; --focus: #9ecbff;
        --one: #74b4ff; --two: #ffb168; --good: #62d29c; --warn: #f2c14e; --bad: #ff8f85;
        --F: #5b9df0; --B: #46b884; --I: #35b6c9; --W: #e3ae45; --O: #8b98a6; --gap: #212b35;
        --on: #08111b; --onW: #1d1300;
        --under: #4d94ee; --even: #202a34; --over: #f0743c;
        --m1: #5b9df0; --m2: #46b884; --m3: #e3ae45; --m4: #b48ce6; --m5: #8b98a6;
      }
    }
    * { box-sizing: border-box; }
    html { font: 15px/1.45 system-ui, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif; }
    body { margin: 0; background: var(--page); color: var(--text); }
    h1 { font-size: 1.5rem; line-height: 1.2; margin: 0; overflow-wrap: anywhere; }
    h2 { font-size: 1.05rem; margin: 0; }
    h3 { font-size: .9rem; margin: 0; font-weight: 600; }
    p { margin: 0; }
    a { color: var(--accent); text-underline-offset: .15em; }
    [hidden] { display: none !important; }
    :focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; border-radius: 4px; }
    main:focus { outline: none; }
    main { max-width: 1500px; margin: 0 auto; padding: 1.25rem clamp(.75rem, 2vw, 2rem) 4rem; }
    .unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
      white-space: nowrap; }
    .skip { position: absolute; left: -999px; }
    .skip:focus { left: .5rem; top: .5rem; z-index: 9; background: var(--panel); padding: .5rem; }
    .muted { color: var(--muted); }
    .number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }

    .top { display: flex; align-items: center; gap: .9rem; padding: .55rem clamp(.75rem, 2vw, 2rem);
      background: var(--panel); border-bottom: 1px solid var(--line); position: sticky; top: 0;
      z-index: 5; }
    .brand { display: flex; align-items: center; gap: .5rem; color: inherit; font-weight: 700;
      text-decoration: none; letter-spacing: .01em; }
    #crumbs { flex: 1; min-width: 0; overflow: hidden; text-overflow: ellipsis;
      white-space: nowrap; color: var(--muted); }
    .link { color: var(--muted); font-size: .85rem; white-space: nowrap; }
    .link::before { content: ""; display: inline-block; width: .55rem; height: .55rem;
      border-radius: 50%; margin-right: .45rem; background: var(--O); }
    .link.live::before { background: var(--good); }
    .link.broken::before { background: var(--bad); }
    .trouble { background: var(--bad); color: var(--panel); padding: .5rem 1rem; }

    button { font: inherit; font-size: .85rem; color: inherit; background: var(--panel);
      border: 1px solid var(--line); border-radius: 6px; padding: .25rem .7rem; cursor: pointer;
      min-height: 1.9rem; }
    button:hover { background: var(--soft); }
    button[aria-pressed="true"] { background: var(--soft); border-color: var(--muted); }

    .scroll { overflow-x: auto; }
    table { border-collapse: collapse; width: 100%; font-size: .88rem; }
    caption { text-align: left; color: var(--muted); padding-bottom: .35rem; }
    th { text-align: left; font-weight: 600; color: var(--muted); white-space: nowrap; }
    th.number { text-align: right; }
    th, td { padding: .4rem .7rem .4rem 0; border-bottom: 1px solid var(--line); }
    tbody tr:last-child > * { border-bottom: 0; }
    tbody th { color: var(--text); }

    .badge { display: inline-flex; align-items: center; gap: .4em; padding: .1rem .6rem;
      border-radius: 99px; font-size: .82rem; font-weight: 600; border: 1px solid currentColor;
      color: var(--muted); white-space: nowrap; }
    .badge.running, .badge.starting { color: var(--good); }
    .badge.finished { color: var(--accent); }
    .badge.restarting, .badge.stopped { color: var(--warn); }
    .badge.failed, .badge.lost { color: var(--bad); }

    .bar { display: block; height: .5rem; border-radius: 99px; background: var(--soft);
      overflow: hidden; min-width: 5rem; }
    .bar > span { display: block; height: 100%; background: var(--accent); border-radius: 99px; }

    @media (max-width: 40rem) {
      .top { gap: .6rem; }
      .link { font-size: 0; }
      .link::before { font-size: 1rem; margin: 0; width: .7rem; height: .7rem; }
    }
    @media (forced-colors: active) {
      rect, path { forced-color-adjust: none; }
    }

    """#
}
