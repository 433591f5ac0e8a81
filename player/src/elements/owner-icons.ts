/** Icons of what owners see and do: pages that only show a video do without. */
import { line } from "./icons";

export const upload = line("M12 16V5M7 9.5L12 4.5l5 5M4 17v3h16v-3");
export const search = line("M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM16.2 16.2L21 21");
export const bin = line("M5 7h14M10 7V4.5h4V7M7 7l1 13h8l1-13M10.5 11v5M13.5 11v5");
export const pen = line("M5 19l1-4L16 5l3 3L9 18zM14 7l3 3");
export const film = line("M4 5h16v14H4zM8 5v14M16 5v14M4 9.5h4M4 14.5h4M16 9.5h4M16 14.5h4");
export const pulse = line("M3 12h4l3-7 4 14 3-7h4");
export const broadcast = line("M12 13a1 1 0 1 0 0-2 1 1 0 0 0 0 2zM8.5 15.5a5 5 0 0 1 0-7M15.5 8.5a5 5 0 0 1 0 7M5.6 18.4a9 9 0 0 1 0-12.8M18.4 5.6a9 9 0 0 1 0 12.8");
export const copy = line("M9 9h11v11H9zM5 15H4V4h11v1");
export const key = line("M8 15a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM12 11h9M17.5 11v3.5M21 11v2.5");
export const stop = line("M7 7h10v10H7z");
export const camera = line("M3 7h12v10H3zM15 10.5l6-3v9l-6-3");
