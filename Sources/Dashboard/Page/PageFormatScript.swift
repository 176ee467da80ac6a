// format.js: numbers for people.

enum PageFormatScript {
  static let text = #"""
    const missing = '–';
    const isNumber = (value) => typeof value === 'number' && Number.isFinite(value);

    /** With so many significant digits, and no more zeros than they need. */
    export function number(value, digits = 4) {
      if (!isNumber(value)) return missing;
      const size = Math.abs(value);
      if (size !== 0 && (size < 1e-3 || size >= 1e6)) {
        return value.toExponential(Math.max(0, digits - 2)).replace('e+', 'e');
      }
      const decimals = size === 0 ? 0 : Math.max(0, digits - 1 - Math.floor(Math.log10(size)));
      return value.toLocaleString('en', { maximumFractionDigits: Math.min(decimals, 6) });
    }

    export function whole(value) {
      return isNumber(value) ? Math.round(value).toLocaleString('en') : missing;
    }

    /** With all its digits, as the run's files have it. */
    export function exact(value) { return isNumber(value) ? String(value) : missing; }

    export function large(value) {
      if (!isNumber(value)) return missing;
      for (const [unit, name] of [[1e12, 'T'], [1e9, 'B'], [1e6, 'M'], [1e4, 'k']]) {
        if (Math.abs(value) >= unit) {
          return `${number(value / (unit === 1e4 ? 1e3 : unit), 3)} ${name}`;
        }
      }
      return number(value, 4);
    }

    export function bytes(value) {
      if (!isNumber(value)) return missing;
      const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
      let place = 0;
      let rest = value;
      while (Math.abs(rest) >= 1024 && place < units.length - 1) { rest /= 1024; place += 1; }
      return `${number(rest, 3)} ${units[place]}`;
    }

    export function percent(value, digits = 3) {
      return isNumber(value) ? `${number(100 * value, digits)} %` : missing;
    }

    /** A measured time. */
    export function seconds(value) {
      if (!isNumber(value)) return missing;
      const size = Math.abs(value);
      if (size === 0) return '0 s';
      if (size < 1e-3) return `${number(value * 1e6, 3)} µs`;
      if (size < 1) return `${number(value * 1e3, 3)} ms`;
      return size < 120 ? `${number(value, 4)} s` : duration(value);
    }

    /** A time that is long, as 3 h 12 min. */
    export function duration(value) {
      if (!isNumber(value)) return missing;
      const all = Math.round(value);
      const [days, hours, minutes] =
        [Math.floor(all / 86400), Math.floor(all / 3600) % 24, Math.floor(all / 60) % 60];
      if (days > 0) return `${days} d ${hours} h`;
      if (hours > 0) return `${hours} h ${minutes} min`;
      return minutes > 0 ? `${minutes} min ${all % 60} s` : `${all} s`;
    }

    export function clock(time) {
      if (!isNumber(time)) return missing;
      return new Date(time * 1000).toLocaleString('sv').slice(0, 19);
    }

    export function ago(then, now) {
      if (!isNumber(then) || !isNumber(now)) return missing;
      return now - then < 2 ? 'now' : `${duration(now - then)} ago`;
    }

    """#
}
