/** Each comes at each place, after each of the others: what runs just before changes what one caller gets. */
export function rotated(list, round) {
  const turned = list.map((_, i) => list[(i + round) % list.length]);
  return round % 2 === 0 ? turned : turned.toReversed();
}
