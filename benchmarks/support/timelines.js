/** Pictures of what a rate limit lets through over time, as SVG that needs nothing else. */

const FONT = 'font-family="system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif"';
// Okabe and Ito's colours: they differ for every kind of eye, and in grey.
const ADMITTED = '#0072b2';
const REFUSED = '#d5dae0';
const LINE = '#d55e00';
const INK = '#212529';
const FAINT = '#6c757d';
const GRID = '#eceff1';
const MARGIN = { left: 40, right: 14, top: 28, bottom: 28 };

/**
 * @typedef {object} Timeline
 * @property {string} title
 * @property {string} note what stands at the right of the title
 * @property {number} limit a dashed line
 * @property {number} seconds
 * @property {number} barMs
 * @property {readonly { admitted: number, refused: number }[]} bars one after the other
 * @property {readonly (readonly [number, number])[]} steps from when on (in seconds) the line has which height
 */

/**
 * One timeline as a picture of its own.
 *
 * @param {Timeline} timeline
 * @param {{ line: string }} words
 */
export function timelinePicture(timeline, words) {
  const [width, height] = [860, 300];
  return svg(timeline.title, width, height, [
    ...legend(16, 22, timeline, words),
    ...panel(timeline, { x: 0, y: 30, width, height: height - 30, top: 42 }),
  ]);
}

/**
 * Several, two beside each other, all on one scale.
 *
 * @param {string} title
 * @param {readonly Timeline[]} timelines
 * @param {{ line: string }} words
 */
export function timelinesPicture(title, timelines, words) {
  const [column, row] = [500, 220];
  const top = 56;
  const rows = Math.ceil(timelines.length / 2);
  return svg(title, 2 * column, top + rows * row + 6, [
    text(16, 24, title, { weight: 700, size: 15 }),
    ...legend(16, 46, timelines[0], words),
    ...timelines.flatMap((timeline, i) =>
      panel(timeline, {
        x: (i % 2) * column,
        y: top + Math.floor(i / 2) * row,
        width: column,
        height: row,
        top: 42,
      }),
    ),
  ]);
}

/** @param {{ x: number, y: number, width: number, height: number, top: number }} frame */
function panel({ title, note, limit, seconds, barMs, bars, steps }, { x, y, width, height, top }) {
  const left = x + MARGIN.left;
  const right = x + width - MARGIN.right;
  const floor = y + height - MARGIN.bottom;
  const ceiling = y + MARGIN.top;
  const across = (time) => left + (time / seconds) * (right - left);
  const up = (count) => floor - (count / top) * (floor - ceiling);
  const parts = [
    text(left, y + 18, title, { weight: 600, size: 13.5 }),
    text(right, y + 18, note, { anchor: 'end', fill: FAINT, size: 12.5 }),
  ];
  for (let count = 0; count <= top; count += 10) {
    parts.push(
      line(left, up(count), right, up(count), count === 0 ? FAINT : GRID),
      text(left - 6, up(count) + 4, String(count), { anchor: 'end', fill: FAINT, size: 11 }),
    );
  }
  for (let time = 0; time <= seconds; time += 1) {
    parts.push(
      line(across(time), floor, across(time), floor + 4, FAINT),
      text(across(time), floor + 17, `${time} s`, { anchor: 'middle', fill: FAINT, size: 11 }),
    );
  }
  const thick = across(barMs / 1_000) - across(0) - 0.6;
  bars.forEach(({ admitted, refused }, i) => {
    const at = across((i * barMs) / 1_000) + 0.3;
    if (admitted > 0) parts.push(rect(at, up(admitted), thick, floor - up(admitted), ADMITTED));
    if (refused > 0) {
      const highest = Math.min(top, admitted + refused);
      parts.push(rect(at, up(highest), thick, up(admitted) - up(highest), REFUSED));
    }
  });
  let path = `M${round(across(0))} ${round(up(0))}`;
  for (const [time, count] of steps) path += `H${round(across(time))}V${round(up(count))}`;
  parts.push(
    `<path d="${path}H${round(across(seconds))}" fill="none" stroke="#ffffff" stroke-width="3" stroke-opacity="0.6"/>`,
    `<path d="${path}H${round(across(seconds))}" fill="none" stroke="${LINE}" stroke-width="1.8"/>`,
    line(left, up(limit), right, up(limit), INK, '6 4', 1.2),
  );
  return parts;
}

/** What the colours mean, from left to right. */
function legend(x, y, { limit, barMs }, words) {
  const entries = [
    { mark: (at) => rect(at, y - 10, 10, 10, ADMITTED), wide: 10, label: `admitted in ${barMs} ms` },
    { mark: (at) => rect(at, y - 10, 10, 10, REFUSED), wide: 10, label: 'refused' },
    { mark: (at) => line(at, y - 5, at + 22, y - 5, LINE, undefined, 2), wide: 22, label: words.line },
    {
      mark: (at) => line(at, y - 5, at + 22, y - 5, INK, '6 4', 1.2),
      wide: 22,
      label: `the limit, ${limit}`,
    },
  ];
  const parts = [];
  let at = x;
  for (const { mark, wide, label } of entries) {
    parts.push(mark(at), text(at + wide + 6, y, label, { size: 12.5 }));
    at += wide + 6 + label.length * 6.6 + 22;
  }
  return parts;
}

function rect(x, y, width, height, fill) {
  return `<rect x="${round(x)}" y="${round(y)}" width="${round(width)}" height="${round(height)}" fill="${fill}"/>`;
}

function line(x1, y1, x2, y2, stroke, dashes, width = 1) {
  const dashed = dashes === undefined ? '' : ` stroke-dasharray="${dashes}"`;
  return `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" stroke="${stroke}" stroke-width="${width}"${dashed}/>`;
}

function text(x, y, content, { anchor = 'start', weight = 400, fill = INK, size = 13 } = {}) {
  const escaped = content.replace(/[&<>]/g, (sign) => `&#${sign.codePointAt(0)};`);
  return `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}" font-weight="${weight}" font-size="${size}" fill="${fill}">${escaped}</text>`;
}

function svg(title, width, height, parts) {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" ${FONT} role="img">`,
    `<title>${title}</title>`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    ...parts,
    '</svg>',
    '',
  ].join('\n');
}

function round(value) {
  return Math.round(value * 10) / 10;
}
