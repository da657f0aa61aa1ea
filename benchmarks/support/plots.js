/** Pictures of results, drawn by Vega-Lite as SVG: bars, tables of coloured cells, and timelines. */
import { parse, textMetrics, View } from 'vega';
import { compile } from 'vega-lite';

const INK = '#212529';
const FAINT = '#6c757d';
const GRID = '#eceff1';
const OURS = '#0b7285';
const OTHERS = '#adb5bd';
const CELLS = { good: '#b2f2bb', bad: '#ffc9c9', none: '#f1f3f5' };
// Okabe and Ito's colours: they differ for every kind of eye, and in grey.
const POWERS_OF_TEN = Array.from({ length: 12 }, (_, i) => 10 ** (i - 4));
const LINES = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#56b4e9', INK];
const TIMELINE = { admitted: '#0072b2', refused: '#d5dae0', line: '#d55e00', limit: INK };

const STYLE = {
  font: 'system-ui, sans-serif',
  background: '#ffffff',
  view: { stroke: null },
  title: {
    anchor: 'start',
    frame: 'group',
    color: INK,
    subtitleColor: FAINT,
    fontSize: 13,
    subtitleFontSize: 13,
  },
  axis: { title: null, domain: false, ticks: false, labelFontSize: 13, labelColor: INK, labelLimit: 0 },
  text: { fontSize: 13, color: INK },
  legend: {
    title: null,
    orient: 'top',
    labelFontSize: 13,
    labelColor: INK,
    labelLimit: 0,
    columnPadding: 20,
  },
};

/** The labels of our own rows are bold. */
const BOLD_IF_OURS = { condition: { test: 'test(/^cachement/, datum.label)', value: 600 }, value: 400 };

// Vega has no canvas here to measure texts with: its own estimate is half as wide again as most fonts.
textMetrics.width = ({ fontSize }, text) => String(text).length * fontSize * 0.62;

/** @param {object} spec of Vega-Lite */
async function draw(title, spec) {
  const whole = {
    title: { text: title ?? '', fontSize: 15, offset: 14 },
    padding: 16,
    config: STYLE,
    ...spec,
  };
  const view = new View(parse(compile(whole).spec), { renderer: 'none' });
  return `${await view.toSVG()}\n`;
}

/**
 * Horizontal bars, one panel below the other, each with a scale of its own. `mark`: where a dashed line is drawn.
 *
 * @param {string} title
 * @param {readonly { title: string, unit: string, mark?: number,
 *   bars: readonly { label: string, value: number, text: string, ours: boolean }[] }[]} panels
 */
export function bars(title, panels) {
  return draw(title, {
    spacing: 24,
    resolve: { scale: { x: 'independent' } },
    vconcat: panels.map(barPanel),
  });
}

function barPanel({ title, unit, mark, bars }) {
  const axis = { minExtent: 250, labelPadding: 8, labelFontWeight: BOLD_IF_OURS };
  const y = { field: 'label', sort: null, axis };
  const x = { field: 'value', type: 'quantitative', axis: null };
  const ours = (yes, no) => ({ condition: { test: 'datum.ours', value: yes }, value: no });
  return {
    title: { text: title, subtitle: unit },
    width: 420,
    height: { step: 22 },
    data: { values: bars },
    layer: [
      ...(mark === undefined
        ? []
        : [{ mark: { type: 'rule', strokeDash: [3, 3], color: FAINT }, encoding: { x: { datum: mark } } }]),
      { mark: { type: 'bar', height: 16, cornerRadius: 2 }, encoding: { x, y, color: ours(OURS, OTHERS) } },
      {
        mark: { type: 'text', align: 'left', dx: 6 },
        encoding: { x, y, text: { field: 'text' } },
      },
    ],
  };
}

/**
 * @param {string} title
 * @param {readonly string[]} head
 * @param {readonly { label: string, cells: readonly { text: string, is: 'good' | 'bad' | 'none' }[] }[]} rows
 * @param {number} [column] the width of a column
 */
export function cells(title, head, rows, column = 156) {
  const values = rows.flatMap(({ label, cells }) =>
    cells.map((cell, i) => ({ label, column: head[i], ...cell })),
  );
  const color = {
    field: 'is',
    scale: { domain: Object.keys(CELLS), range: Object.values(CELLS) },
    legend: null,
  };
  return draw(title, {
    width: { step: column },
    height: { step: 26 },
    data: { values },
    encoding: {
      x: {
        field: 'column',
        sort: null,
        axis: {
          orient: 'top',
          labelAngle: 0,
          labelColor: FAINT,
          // A comma begins a second line, for which Vega leaves no room.
          labelExpr: "split(datum.label, ', ')",
          labelPadding: head.some((one) => one.includes(', ')) ? 20 : 2,
        },
      },
      y: { field: 'label', sort: null, axis: { labelPadding: 10, labelFontWeight: BOLD_IF_OURS } },
    },
    layer: [
      { mark: { type: 'rect', cornerRadius: 2, stroke: '#ffffff', strokeWidth: 2 }, encoding: { color } },
      { mark: 'text', encoding: { text: { field: 'text' } } },
    ],
  });
}

/**
 * What a rate limit lets through over time, two timelines beside each other, or one alone.
 *
 * @typedef {object} Timeline
 * @property {string} title
 * @property {string} note below the title
 * @property {number} limit a dashed line
 * @property {number} seconds
 * @property {number} barMs
 * @property {readonly { admitted: number, refused: number }[]} bars one after the other
 * @property {readonly (readonly [number, number])[]} steps from when on (in seconds) the line has which height
 *
 * @param {string} title
 * @param {readonly Timeline[]} timelines
 * @param {string} line what the line is
 */
export function timelines(title, timelines, line) {
  const size = timelines.length === 1 ? { width: 800, height: 240 } : { width: 450, height: 165 };
  const concat = timelines.map((timeline) => ({ ...size, ...timelinePanel(timeline, line) }));
  return draw(timelines.length === 1 ? undefined : title, { columns: 2, spacing: 24, concat });
}

function timelinePanel({ title, note, limit, seconds, barMs, bars, steps }, line) {
  const names = [`admitted in ${barMs} ms`, 'refused', line, `the limit, ${limit}`];
  const color = {
    scale: { domain: names, range: Object.values(TIMELINE) },
    legend: { symbolType: 'square' },
  };
  const colored = (i) => ({ ...color, datum: names[i] });
  const x = {
    field: 'from',
    type: 'quantitative',
    scale: { domain: [0, seconds] },
    axis: { grid: false, labelExpr: "datum.value + ' s'", labelColor: FAINT },
  };
  const y = {
    field: 'low',
    type: 'quantitative',
    scale: { domain: [0, 42] },
    axis: { values: [0, 10, 20, 30, 40], gridColor: GRID, labelColor: FAINT },
  };
  const stacked = bars.flatMap(({ admitted, refused }, i) => {
    const [from, to] = [(i * barMs) / 1_000, ((i + 1) * barMs) / 1_000];
    return [
      { from, to, low: 0, high: admitted, name: names[0] },
      { from, to, low: admitted, high: admitted + refused, name: names[1] },
    ];
  });
  const path = [[0, 0], ...steps, [seconds, steps.at(-1)?.[1] ?? 0]].map(([from, low]) => ({ from, low }));
  return {
    title: { text: title, subtitle: note },
    layer: [
      {
        data: { values: stacked.filter(({ low, high }) => high > low) },
        mark: { type: 'bar', clip: true, stroke: '#ffffff', strokeWidth: 0.6 },
        encoding: { x, x2: { field: 'to' }, y, y2: { field: 'high' }, color: { ...color, field: 'name' } },
      },
      {
        data: { values: path },
        mark: { type: 'line', interpolate: 'step-after', clip: true, strokeWidth: 1.8 },
        encoding: { x, y, color: colored(2) },
      },
      {
        data: { values: [{}] },
        mark: { type: 'rule', strokeDash: [6, 4], strokeWidth: 1.2 },
        encoding: { y: { datum: limit }, color: colored(3) },
      },
    ],
  };
}

/**
 * Small pictures of what happened over time: a row for each course, a column for each figure. A column has one scale.
 *
 * @param {string} title
 * @param {readonly { label: string, points: readonly Record<string, number>[] }[]} rows `at` of a point: seconds
 * @param {readonly { field: string, title: string, mark?: number }[]} columns `mark`: where a dashed line is drawn
 * @param {{ from: number, until: number }} shaded seconds
 */
export function courses(title, rows, columns, shaded) {
  const highest = ({ field, mark = 0 }) =>
    Math.max(mark, ...rows.flatMap(({ points }) => points.map((point) => point[field] ?? 0)));
  const panel = ({ label, points }, column, i) => {
    const { field, mark } = column;
    const color = label.startsWith('cachement') ? OURS : FAINT;
    const y = {
      type: 'quantitative',
      scale: { domain: [0, highest(column)], nice: true },
      axis: { gridColor: GRID, labelColor: FAINT, tickCount: 3 },
    };
    return {
      // An empty title has no subtitle.
      title: { text: i === 0 ? label : '\u00A0', subtitle: column.title, subtitleFontSize: 12 },
      width: 270,
      height: 80,
      layer: [
        {
          data: { values: [shaded] },
          mark: { type: 'rect', color: CELLS.none },
          encoding: { x: { field: 'from', type: 'quantitative' }, x2: { field: 'until' } },
        },
        ...(mark === undefined
          ? []
          : [
              {
                data: { values: [{}] },
                mark: { type: 'rule', strokeDash: [3, 3], color: FAINT },
                encoding: { y: { ...y, datum: mark } },
              },
            ]),
        {
          data: { values: points.filter((point) => point[field] !== undefined) },
          mark: { type: 'line', interpolate: 'step-after', color, strokeWidth: 1.8 },
          encoding: {
            x: {
              field: 'at',
              type: 'quantitative',
              scale: { domain: [0, Math.max(...points.map(({ at }) => at))] },
              axis: { grid: false, labelExpr: "datum.value + ' s'", labelColor: FAINT, tickCount: 6 },
            },
            y: { ...y, field },
          },
        },
      ],
    };
  };
  return draw(title, {
    columns: columns.length,
    spacing: 16,
    concat: rows.flatMap((row) => columns.map((column, i) => panel(row, column, i))),
  });
}

/**
 * Lines over a number that grows tenfold from point to point, two panels beside each other. Both axes are logarithmic.
 *
 * @param {string} title
 * @param {string} along what grows
 * @param {readonly { title: string, unit: string, mark?: number,
 *   lines: readonly { label: string, points: readonly { at: number, value: number }[] }[] }[]} panels `mark`: where a dashed
 *   line is drawn. A value of 0 is left out
 */
export function lines(title, along, panels) {
  const labels = [...new Set(panels.flatMap(({ lines }) => lines.map(({ label }) => label)))];
  const color = {
    field: 'label',
    scale: { domain: labels, range: LINES.slice(0, labels.length) },
    legend: { symbolType: 'stroke', columns: 1 },
  };
  return draw(title, {
    columns: 2,
    spacing: 32,
    concat: panels.map((panel) => ({ width: 340, height: 170, ...linePanel(panel, along, color) })),
  });
}

function linePanel({ title, unit, mark, lines }, along, color) {
  const values = lines.flatMap(({ label, points }) => points.map((point) => ({ label, ...point })));
  const x = {
    field: 'at',
    type: 'quantitative',
    scale: { type: 'log' },
    axis: {
      grid: false,
      values: [...new Set(values.map(({ at }) => at))],
      labelColor: FAINT,
      title: along,
      titleColor: FAINT,
      titleFontWeight: 400,
    },
  };
  const y = {
    field: 'value',
    type: 'quantitative',
    scale: { type: 'log' },
    axis: { gridColor: GRID, labelColor: FAINT, values: POWERS_OF_TEN, format: ',~r' },
  };
  return {
    title: { text: title, subtitle: unit },
    layer: [
      ...(mark === undefined
        ? []
        : [
            {
              data: { values: [{}] },
              mark: { type: 'rule', strokeDash: [3, 3], color: FAINT },
              encoding: { y: { ...y, field: undefined, datum: mark } },
            },
          ]),
      {
        data: { values: values.filter(({ value }) => value > 0) },
        mark: { type: 'line', point: true, strokeWidth: 1.8 },
        encoding: { x, y, color },
      },
    ],
  };
}
