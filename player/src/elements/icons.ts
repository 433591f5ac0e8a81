/** Icons on a grid of 24, drawn here so that nothing is fetched for them. */
import { html, svg, type TemplateResult } from "lit";

const icon = (body: TemplateResult): TemplateResult =>
  html`<svg viewBox="0 0 24 24" aria-hidden="true" focusable="false">${body}</svg>`;
const line = (path: string): TemplateResult =>
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
export const upload = line("M12 16V5M7 9.5L12 4.5l5 5M4 17v3h16v-3");
export const search = line("M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM16.2 16.2L21 21");
export const bin = line("M5 7h14M10 7V4.5h4V7M7 7l1 13h8l1-13M10.5 11v5M13.5 11v5");
export const pen = line("M5 19l1-4L16 5l3 3L9 18zM14 7l3 3");
export const share = line("M10 14a4 4 0 0 0 6 0l3-3a4 4 0 0 0-6-6l-1 1M14 10a4 4 0 0 0-6 0l-3 3a4 4 0 0 0 6 6l1-1");
export const check = line("M5 12.5l4.5 4.5L19 7.5");
export const cross = line("M6 6l12 12M18 6L6 18");
export const warning = line("M12 4L2.8 19.5h18.4zM12 10v4M12 16.8v.2");
export const back = line("M19 12H5M11 6l-6 6 6 6");
export const film = line("M4 5h16v14H4zM8 5v14M16 5v14M4 9.5h4M4 14.5h4M16 9.5h4M16 14.5h4");
export const pulse = line("M3 12h4l3-7 4 14 3-7h4");
export const bolt = line("M13 3L5.5 13.5H11L10 21l8-11h-5.5z");
export const broadcast = line("M12 13a1 1 0 1 0 0-2 1 1 0 0 0 0 2zM8.5 15.5a5 5 0 0 1 0-7M15.5 8.5a5 5 0 0 1 0 7M5.6 18.4a9 9 0 0 1 0-12.8M18.4 5.6a9 9 0 0 1 0 12.8");
export const copy = line("M9 9h11v11H9zM5 15H4V4h11v1");
export const key = line("M8 15a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM12 11h9M17.5 11v3.5M21 11v2.5");
export const stop = line("M7 7h10v10H7z");
export const camera = line("M3 7h12v10H3zM15 10.5l6-3v9l-6-3");
