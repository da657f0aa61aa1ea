/** Two kinds of picture, as SVG that needs nothing else: bars, and a table of coloured cells. */

const FONT = 'font-family="system-ui, sans-serif"';
const OURS = '#0b7285';
const OTHERS = '#adb5bd';
const INK = '#212529';
const FAINT = '#868e96';

/**
 * Horizontal bars, one panel below the other.
 *
 * @param {string} title
 * @param {readonly { title: string, unit: string, mark?: number,
 *   bars: readonly { label: string, value: number, text: string, ours: boolean }[] }[]} panels
 */
export function bars(title, panels) {
  const [left, width, right, row] = [270, 420, 90, 22];
  const parts = [];
  let y = 52;
  for (const panel of panels) {
    parts.push(text(16, y, panel.title, { weight: 600 }), text(left, y, panel.unit, { fill: FAINT }));
    y += 12;
    const most = Math.max(...panel.bars.map(({ value }) => value), panel.mark ?? 0, Number.MIN_VALUE);
    if (panel.mark !== undefined) {
      const x = (left + (panel.mark / most) * width).toFixed(1);
      const end = y + panel.bars.length * row;
      parts.push(
        `<line x1="${x}" y1="${y}" x2="${x}" y2="${end}" stroke="${FAINT}" stroke-dasharray="3 3"/>`,
      );
    }
    for (const { label, value, text: shown, ours } of panel.bars) {
      const length = Math.max(1, (Math.max(0, value) / most) * width);
      const fill = ours ? OURS : OTHERS;
      parts.push(
        text(left - 8, y + 15, label, { anchor: 'end', weight: ours ? 600 : 400 }),
        `<rect x="${left}" y="${y + 3}" width="${length.toFixed(1)}" height="${row - 6}" rx="2" fill="${fill}"/>`,
        text(left + length + 6, y + 15, shown, { weight: ours ? 600 : 400 }),
      );
      y += row;
    }
    y += 26;
  }
  return svg(title, left + width + right, y - 8, parts);
}

/**
 * @param {string} title
 * @param {readonly string[]} head
 * @param {readonly { label: string, ours: boolean, cells: readonly { text: string, is: 'good' | 'bad' | 'none' }[] }[]} rows
 * @param {{ left?: number, column?: number }} widths of the labels and of each column
 */
export function cells(title, head, rows, { left = 200, column = 156 } = {}) {
  const row = 26;
  const fill = { good: '#b2f2bb', bad: '#ffc9c9', none: '#f1f3f5' };
  const parts = head.map((name, i) =>
    text(left + i * column + column / 2, 46, name, { anchor: 'middle', fill: FAINT }),
  );
  rows.forEach(({ label, ours, cells: line }, i) => {
    const y = 56 + i * row;
    parts.push(text(left - 10, y + 17, label, { anchor: 'end', weight: ours ? 600 : 400 }));
    line.forEach((cell, k) => {
      const x = left + k * column;
      parts.push(
        `<rect x="${x + 1}" y="${y + 1}" width="${column - 2}" height="${row - 2}" rx="2" fill="${fill[cell.is]}"/>`,
        text(x + column / 2, y + 17, cell.text, { anchor: 'middle' }),
      );
    });
  });
  return svg(title, left + head.length * column + 16, 56 + rows.length * row + 16, parts);
}

function text(x, y, content, { anchor = 'start', weight = 400, fill = INK } = {}) {
  const escaped = content.replace(/[&<>]/g, (sign) => `&#${sign.codePointAt(0)};`);
  return `<text x="${x.toFixed(1)}" y="${y}" text-anchor="${anchor}" font-weight="${weight}" fill="${fill}">${escaped}</text>`;
}

function svg(title, width, height, parts) {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" ${FONT} font-size="13" role="img">`,
    `<title>${title}</title>`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    text(16, 20, title, { weight: 700 }),
    ...parts,
    '</svg>',
    '',
  ].join('\n');
}
