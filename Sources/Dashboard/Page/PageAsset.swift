// The page's files, compiled in: the dashboard is one program and needs no folder of its own. Each
// is a string in a file of its own name beside this one.

enum PageAsset {
  /// Replies by the file's name under /assets; index.html is also what / has.
  static let all: [String: WebReply] = Dictionary(
    uniqueKeysWithValues: [
      ("index.html", html, PageHTML.text), ("icon.svg", "image/svg+xml", PageIcon.text),
      ("base.css", css, PageBaseStyle.text), ("run.css", css, PageRunStyle.text),
      ("app.js", script, PageAppScript.text), ("dom.js", script, PageDOMScript.text),
      ("format.js", script, PageFormatScript.text), ("list.js", script, PageListScript.text),
      ("run.js", script, PageRunScript.text), ("panels.js", script, PagePanelsScript.text),
      ("chart.js", script, PageChartScript.text), ("scale.js", script, PageScaleScript.text),
      ("timeline.js", script, PageTimelineScript.text),
      ("heatmap.js", script, PageHeatMapScript.text),
    ].map { ($0.0, WebReply($0.1, Array($0.2.utf8))) })

  private static let html = "text/html; charset=utf-8"
  private static let css = "text/css; charset=utf-8"
  private static let script = "text/javascript; charset=utf-8"
}
