// index.html: the frame that the scripts fill.

enum PageHTML {
  static let text = #"""
    <!doctype html>
    <html lang="en">
    <head>
      <meta charset="utf-8">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <meta name="color-scheme" content="light dark">
      <title>dsv3 dashboard</title>
      <link rel="icon" href="/assets/icon.svg" type="image/svg+xml">
      <link rel="stylesheet" href="/assets/base.css">
      <link rel="stylesheet" href="/assets/run.css">
      <script type="module" src="/assets/app.js"></script>
    </head>
    <body>
      <a class="skip" href="#main">Skip to content</a>
      <header class="top">
        <a class="brand" href="#/"><img src="/assets/icon.svg" alt="" width="22" height="22">
          <span>dsv3</span></a>
        <nav id="crumbs" aria-label="Where you are"></nav>
        <span id="link" class="link">connecting</span>
        <button id="pause" type="button" aria-pressed="false">Pause</button>
      </header>
      <p id="trouble" class="trouble" role="alert" hidden></p>
      <main id="main" tabindex="-1">
        <noscript>This page draws its charts with scripts of its own; the same figures are at
          <a href="/api/runs">/api/runs</a>.</noscript>
      </main>
      <p id="spoken" class="unseen" role="status"></p>
    </body>
    </html>

    """#
}
