/** @param {readonly number[]} numbers */
export function median(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The smallest number that a `part` of the numbers, such as 0.99, does not exceed. */
export function percentile(numbers, part) {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)];
}

/** A quarter of the numbers is below `lower`, and a quarter above `upper`. */
export function quartiles(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b);
  return {
    lower: sorted[Math.floor(sorted.length / 4)],
    upper: sorted[Math.ceil((sorted.length * 3) / 4) - 1],
  };
}

/** Milliseconds since the epoch, with fractions: comparable between the processes of one machine. */
export function wallClock() {
  return performance.timeOrigin + performance.now();
}
