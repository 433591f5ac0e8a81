// Read every manifest of a folder with parsers that are not ours; print what they understood as one JSON value.
// Usage: node judge.mjs FOLDER...
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import HLS from "hls-parser";
import { Parser } from "m3u8-parser";
import { parse as parseMpd } from "mpd-parser";

HLS.setOptions({ strictMode: true, silent: false });

/** Return the warnings of m3u8-parser, and each segment as [uri, duration]. */
function secondOpinion(text) {
  const warnings = [];
  const parser = new Parser();
  parser.on("warn", (event) => warnings.push(event.message));
  parser.push(text);
  parser.end();
  const { segments, targetDuration, iFramesOnly, endList } = parser.manifest;
  return { warnings, targetDuration, iFramesOnly, endList, segments: segments.map((s) => [s.uri, s.duration]) };
}

function hls(text) {
  const playlist = HLS.parse(text); // throws on what strict mode forbids
  if (playlist.isMasterPlaylist) {
    const variants = playlist.variants.map((v) => ({
      uri: v.uri,
      iframes: v.isIFrameOnly,
      bandwidth: v.bandwidth,
      audio: v.audio.map((a) => a.uri),
      subtitles: v.subtitles.map((s) => s.uri),
    }));
    return { variants, warnings: secondOpinion(text).warnings };
  }
  const segments = playlist.segments.map((s) => [s.uri, s.duration, s.map?.uri ?? null]);
  return { segments, targetDuration: playlist.targetDuration, second: secondOpinion(text) };
}

function dash(text) {
  const warnings = [];
  const manifest = parseMpd(text, {
    manifestUri: "http://origin.invalid/main.mpd",
    eventHandler: (event) => warnings.push(event.message),
  });
  const groups = [
    ...Object.values(manifest.mediaGroups.AUDIO).flatMap((group) => Object.entries(group)),
    ...Object.values(manifest.mediaGroups.SUBTITLES).flatMap((group) => Object.entries(group)),
  ];
  const named = groups.flatMap(([label, track]) => track.playlists.map((p) => [p, label]));
  const playlists = [...manifest.playlists.map((p) => [p, null]), ...named].map(([p, label]) => ({
    id: p.attributes.NAME,
    label,
    bandwidth: p.attributes.BANDWIDTH,
    init: p.segments[0]?.map?.uri ?? null,
    segments: p.segments.map((s) => [s.uri, s.duration, s.presentationTime]),
  }));
  return { warnings, duration: manifest.duration, playlists };
}

const verdicts = {};
for (const folder of process.argv.slice(2)) {
  verdicts[folder] = {};
  for (const name of readdirSync(folder).sort()) {
    const text = readFileSync(join(folder, name), "utf8");
    verdicts[folder][name] = name.endsWith(".mpd") ? dash(text) : hls(text);
  }
}
process.stdout.write(JSON.stringify(verdicts));
