/** Icons on a grid of 24, drawn here so that nothing is fetched for them. */
import { html, svg, type TemplateResult } from "lit";

const icon = (body: TemplateResult): TemplateResult =>
  html`<svg viewBox="0 0 24 24" aria-hidden="true" focusable="false">${body}</svg>`;
export const line = (path: string): TemplateResult =>
  icon(svg`<path d=${path} fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round" />`);
const solid = (path: string): TemplateResult => icon(svg`<path d=${path} />`);

export const play = solid("M8 5.2v13.6c0 .8.9 1.3 1.6.8l10-6.8c.6-.4.6-1.2 0-1.6l-10-6.8c-.7-.5-1.6 0-1.6.8z");
export const pause = solid("M7 5h3.5v14H7zM13.5 5H17v14h-3.5z");
export const replay = line("M4 12a8 8 0 1 0 2.6-5.9M4 4v4.6h4.6");
export const speaker = line("M4 9.5v5h3.5L12 18.5v-13L7.5 9.5zM15.5 9a4 4 0 0 1 0 6M18 6.5a8 8 0 0 1 0 11");
export const silent = line("M4 9.5v5h3.5L12 18.5v-13L7.5 9.5zM16 9.5l5 5M21 9.5l-5 5");
export const captions = line("M4 6h16v12H4zM10.5 10.5a2 2 0 1 0 0 3M16.5 10.5a2 2 0 1 0 0 3");
export const gear = line(
  "M4 7h9M17 7h3M4 17h3M11 17h9M15 9a2 2 0 1 0 0-4 2 2 0 0 0 0 4zM9 19a2 2 0 1 0 0-4 2 2 0 0 0 0 4z",
);
export const note = line("M9 18V6l10-2v12M9 18a2.5 2.5 0 1 1-5 0 2.5 2.5 0 0 1 5 0zM19 16a2.5 2.5 0 1 1-5 0 2.5 2.5 0 0 1 5 0z");
export const gauge = line("M5 18a9 9 0 1 1 14 0M12 13l4-5");
export const pip = icon(
  svg`<path d="M4 5h16v14H4z" fill="none" stroke="currentColor" stroke-width="2" stroke-linejoin="round" /><path d="M12 12h6v5h-6z" />`,
);
export const expand = line("M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5");
export const shrink = line("M9 4v5H4M15 4v5h5M9 20v-5H4M15 20v-5h5");
export const share = line("M10 14a4 4 0 0 0 6 0l3-3a4 4 0 0 0-6-6l-1 1M14 10a4 4 0 0 0-6 0l-3 3a4 4 0 0 0 6 6l1-1");
export const check = line("M5 12.5l4.5 4.5L19 7.5");
export const cross = line("M6 6l12 12M18 6L6 18");
export const warning = line("M12 4L2.8 19.5h18.4zM12 10v4M12 16.8v.2");
export const back = line("M19 12H5M11 6l-6 6 6 6");
export const bolt = line("M13 3L5.5 13.5H11L10 21l8-11h-5.5z");
