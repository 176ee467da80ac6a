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

    /** Few digits times powers of ten; round numbers where that is too few. */
    export function logTicks(low, high) {
      const found = [];
      for (let power = Math.floor(Math.log10(low)); 10 ** power <= high; power++) {
        for (const factor of [1, 2, 3, 5, 7]) {
          const value = Number((factor * 10 ** power).toPrecision(3));
          if (value >= low && value <= high) found.push(value);
        }
      }
      const each = Math.ceil(found.length / 6);
      return found.length > 1 ? found.filter((_, place) => place % each === 0)
        : ticks(low, high, 4);
    }

    /** A running mean that forgets a tenth with each value. */
    export function smoothed(values) {
      let [sum, weight] = [0, 0];
      return values.map((value) => {
        if (value === null || value === undefined) return null;
        [sum, weight] = [0.9 * sum + 0.1 * value, 0.9 * weight + 0.1];
        return sum / weight;
      });
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
