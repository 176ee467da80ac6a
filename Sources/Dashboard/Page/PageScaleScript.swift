// scale.js: axes with round numbers.

enum PageScaleScript {
  static let text = #"""
    /** About `count` round numbers from `low` to `high`. */
    export function ticks(low, high, count) {
      if (!(high > low)) return [low];
      const rough = (high - low) / Math.max(1, count);
      const power = 10 ** Math.floor(Math.log10(rough));
      const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power)
        .find((size) => size >= rough * 0.999);
      const found = [];
      for (let place = Math.ceil(low / step - 1e-9); place * step <= high + step * 1e-9; place++) {
        found.push(Number((place * step).toPrecision(12)));
      }
      return found;
    }

    /** Steps are whole. */
    export function wholeTicks(low, high, count) {
      return [low, ...ticks(low, high, Math.min(count, high - low)).filter((value) =>
        Number.isInteger(value) && value - low > (high - low) * 0.08)];
    }

    /** Bounds of values with some air; from 0 on when that is asked. */
    export function bounds(values, fromZero) {
      let [low, high] = [Infinity, -Infinity];
      for (const value of values) {
        if (value === null || value === undefined || !Number.isFinite(value)) continue;
        if (value < low) low = value;
        if (value > high) high = value;
      }
      if (low > high) return null;
      if (fromZero) low = Math.min(0, low);
      const air = high > low ? (high - low) * 0.06 : Math.abs(high) * 0.1 || 1;
      return [fromZero && low === 0 ? 0 : low - air, high + air];
    }

    /** First place in ascending `values` that isn't below `value`. */
    export function placeOf(values, value) {
      let [low, high] = [0, values.length];
      while (low < high) {
        const middle = (low + high) >> 1;
        if (values[middle] < value) low = middle + 1; else high = middle;
      }
      return low;
    }

    export function nearest(values, value) {
      const place = placeOf(values, value);
      if (place === 0) return 0;
      if (place === values.length) return values.length - 1;
      return value - values[place - 1] <= values[place] - value ? place - 1 : place;
    }

    """#
}
