// app.js: which page is shown, and the rhythm in which it looks again.

enum PageAppScript {
  static let text = #"""
    import { h, say } from './dom.js';
    import { ListPage } from './list.js';
    import { RunPage } from './run.js';

    const main = document.getElementById('main');
    const link = document.getElementById('link');
    const pause = document.getElementById('pause');
    const trouble = document.getElementById('trouble');
    const spoken = document.getElementById('spoken');
    let page = null;
    let timer = 0;
    let isLooking = false;
    let lastSpoken = { text: '', time: 0 };

    async function get(path) {
      const reply = await fetch(path, { cache: 'no-cache' });
      const value = await reply.json().catch(() => ({ error: 'the reply is no JSON' }));
      if (!reply.ok) throw new Error(value.error ?? `code ${reply.status}`);
      return value;
    }

    function open() {
      const match = location.hash.match(/^#\/run\/([^/]+)$/);
      if (location.hash === '#main') return;
      let name = null;
      try { name = match && decodeURIComponent(match[1]); } catch { name = null; }
      page = name ? new RunPage(name, get) : new ListPage(get);
      document.title = name ? `${name} – dsv3` : 'dsv3 dashboard';
      document.getElementById('crumbs').replaceChildren(
        ...(name ? [h('a', { href: '#/' }, 'Runs'), ` / ${name}`] : ['Runs']));
      main.replaceChildren(page.element);
      window.scrollTo(0, 0);
      look();
    }

    async function look() {
      clearTimeout(timer);
      if (isLooking) return;
      isLooking = true;
      const looked = page;
      let wait = 1500;
      try {
        const found = await looked.look();
        const isLive = ['running', 'starting', 'restarting'].includes(found.state);
        if (!isLive) wait = 4000;
        link.className = isLive ? 'link live' : 'link';
        say(link, isLive ? 'live' : 'up to date');
        trouble.hidden = true;
        speak(looked.summary(found), found.state);
      } catch (error) {
        wait = 3000;
        link.className = 'link broken';
        say(link, 'no reply');
        say(trouble, error instanceof TypeError
          ? 'The dashboard does not reply; it may have been ended.' : `${error.message}.`);
        trouble.hidden = false;
      } finally {
        isLooking = false;
      }
      if (page !== looked) return look();
      if (!document.hidden && !isPaused()) timer = setTimeout(look, wait);
    }

    function isPaused() { return pause.getAttribute('aria-pressed') === 'true'; }

    /** Now and then, and at once when the state changes. */
    function speak(text, state) {
      const now = Date.now();
      if (lastSpoken.state === state && now - lastSpoken.time < 30000) return;
      lastSpoken = { state, time: now };
      say(spoken, text);
    }

    pause.addEventListener('click', () => {
      const paused = !isPaused();
      pause.setAttribute('aria-pressed', String(paused));
      say(pause, paused ? 'Paused' : 'Pause');
      if (paused) clearTimeout(timer); else look();
    });
    document.addEventListener('visibilitychange', () => { if (!document.hidden) look(); });
    window.addEventListener('hashchange', open);
    open();

    """#
}
