// Play a URL with one of three engines and keep a record of all that a viewer would notice.
import { readNumber } from "/drawn.js";

const video = document.querySelector("#video");
const record = { told: [], frames: [], stalls: [], errors: [], switches: [], presented: 0, dropped: 0 };
const SCRIPTS = {
  "hls.js": "/hls.js/dist/hls.min.js",
  shaka: "/shaka-player/dist/shaka-player.compiled.js",
  "dash.js": "/dashjs/dist/modern/umd/dash.all.min.js",
};

const MARKERS = "urn:streamer:marker:2026";
// What an engine tells of markers: by which way, its name for one, the media second it is for, and when it did.
const told = (way, id, time, body) => record.told.push({ way, id: String(id), time, at: video.currentTime, body });
const text = (bytes) => new TextDecoder().decode(bytes);

const now = () => performance.now() / 1000;
const fault = (fatal, text) => record.errors.push({ fatal, text: String(text), at: video.currentTime });

function load(path) {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = path;
    script.onload = resolve;
    script.onerror = () => reject(new Error(`no ${path}`));
    document.head.append(script);
  });
}

function watch(read) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [96, 64];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const presented = (_, facts) => {
    const number = read ? readNumber(video, context) : null;
    const shown = (performance.timeOrigin + facts.expectedDisplayTime) / 1000;
    record.frames.push([facts.mediaTime, number, facts.presentedFrames, facts.width, facts.height, shown]);
    video.requestVideoFrameCallback(presented);
  };
  video.requestVideoFrameCallback(presented);
  let played = false;
  let waiting = null;
  video.addEventListener("playing", () => {
    if (waiting) waiting.seconds = now() - waiting.began;
    waiting = null;
    played = true;
  });
  video.addEventListener("waiting", () => {
    // Before the first picture and during a seek waiting is no stall; nor is it one at the very end.
    if (!played || video.seeking || video.ended || waiting) return;
    if (video.duration - video.currentTime < 0.25) return;
    waiting = { at: video.currentTime, began: now(), seconds: null };
    record.stalls.push(waiting);
  });
  video.addEventListener("error", () => fault(true, `element: ${video.error?.message || video.error?.code}`));
  window.addEventListener("error", (event) => fault(true, event.message));
  window.addEventListener("unhandledrejection", (event) => fault(true, event.reason));
}

const switched = (height, bandwidth) =>
  record.switches.push({ at: video.currentTime, height: height ?? 0, bandwidth: bandwidth ?? 0 });

const engines = {
  "hls.js": async (url, config) => {
    const hls = new Hls({ enableWorker: true, ...config });
    hls.on(Hls.Events.ERROR, (_, data) => fault(data.fatal, `${data.type} ${data.details} ${data.reason ?? ""}`));
    hls.on(Hls.Events.LEVEL_SWITCHED, (_, { level }) =>
      switched(hls.levels[level].height, hls.levels[level].bitrate));
    const seen = new Set();
    hls.on(Hls.Events.LEVEL_UPDATED, (_, { details }) => {
      for (const range of Object.values(details.dateRanges)) {
        if (!seen.has(range.id)) told("daterange", range.id, range.startTime, decodeURIComponent(range.attr["X-DATA"] ?? ""));
        seen.add(range.id);
      }
    });
    hls.loadSource(url);
    hls.attachMedia(video);
    await new Promise((resolve) => hls.once(Hls.Events.MANIFEST_PARSED, resolve));
    return {
      heights: () => hls.levels.map((level) => level.height),
      select: (height) => {
        hls.nextLevel = height ? hls.levels.findIndex((level) => level.height === height) : -1;
      },
      texts: () => hls.subtitleTracks.map((track) => track.lang),
      sounds: () => hls.audioTracks.map((track) => track.lang),
    };
  },
  shaka: async (url, config, begin) => {
    shaka.polyfill.installAll();
    const player = new shaka.Player();
    await player.attach(video);
    player.configure(config);
    player.addEventListener("error", ({ detail }) => fault(detail.severity === 2, `shaka ${detail.code} ${detail.data}`));
    for (const name of ["adaptation", "variantchanged"]) {
      player.addEventListener(name, ({ newTrack }) => switched(newTrack?.height, newTrack?.bandwidth));
    }
    player.addEventListener("emsg", ({ detail }) => {
      if (detail.schemeIdUri === MARKERS) told("emsg", detail.id, detail.startTime, text(detail.messageData));
    });
    player.addEventListener("timelineregionadded", ({ detail }) => {
      if (detail.schemeIdUri === MARKERS && detail.eventNode) told("stream", detail.id, detail.startTime, String(detail.eventNode.children));
    });
    await player.load(url, begin);
    return {
      heights: () => player.getVariantTracks().map((track) => track.height),
      select: (height) => {
        player.configure({ abr: { enabled: !height } });
        const track = player.getVariantTracks().find((one) => one.height === height);
        if (track) player.selectVariantTrack(track, false);
      },
      texts: () => player.getTextTracks().map((track) => track.language),
      sounds: () => player.getAudioTracks().map((track) => track.language),
    };
  },
  "dash.js": async (url, config) => {
    const player = dashjs.MediaPlayer().create();
    const { events } = dashjs.MediaPlayer;
    player.updateSettings({ debug: { logLevel: 1 }, ...config });
    player.on(events.ERROR, ({ error }) => fault(true, `dash ${error?.code} ${error?.message ?? error}`));
    player.on(events.QUALITY_CHANGE_RENDERED, ({ mediaType, newRepresentation }) => {
      if (mediaType === "video") switched(newRepresentation?.height, newRepresentation?.bandwidth);
    });
    player.on(MARKERS, ({ event }) => {
      const { calculatedPresentationTime: time, id, messageData, parsedMessageData } = event;
      const inband = messageData instanceof Uint8Array;
      told(inband ? "emsg" : "stream", id, time, inband ? text(messageData) : String(parsedMessageData ?? messageData));
    }, null, { mode: dashjs.MediaPlayer.events.EVENT_MODE_ON_START });
    const ready = new Promise((resolve) => { player.on(events.STREAM_INITIALIZED, resolve); });
    player.initialize(video, url, false);
    await ready;
    return {
      heights: () => player.getRepresentationsByType("video").map((one) => one.height),
      select: (height) => {
        player.updateSettings({ streaming: { abr: { autoSwitchBitrate: { video: !height } } } });
        const chosen = player.getRepresentationsByType("video").find((one) => one.height === height);
        if (chosen) player.setRepresentationForTypeById("video", chosen.id);
      },
      texts: () => player.getTracksFor("text").map((track) => track.lang),
      sounds: () => player.getTracksFor("audio").map((track) => track.lang),
    };
  },
};

window.harness = {
  prepare: (engine) => load(SCRIPTS[engine]),
  start: ({ engine, url, read, config, from, begin }) => {
    watch(read);
    const opened = engines[engine](url, config ?? {}, begin);
    opened.then((player) => Object.assign(window.harness, player), (error) =>
      fault(true, error?.code ? `${engine} ${error.code} ${error.data}` : error));
    opened.then(() => {
      if (from) video.currentTime = from;
      video.play().catch((error) => fault(true, error));
    }, () => {});
  },
  heights: () => [],
  texts: () => [],
  sounds: () => [],
  select: () => {},
  report: () => {
    const quality = video.getVideoPlaybackQuality();
    const ranges = [];
    for (let n = 0; n < video.buffered.length; n += 1) ranges.push([video.buffered.start(n), video.buffered.end(n)]);
    return {
      ...record,
      presented: quality.totalVideoFrames,
      dropped: quality.droppedVideoFrames,
      buffered: ranges,
      position: video.currentTime,
      duration: Number.isFinite(video.duration) ? video.duration : null,
      ended: video.ended,
      width: video.videoWidth,
      height: video.videoHeight,
      heights: window.harness.heights(),
      texts: window.harness.texts(),
      sounds: window.harness.sounds(),
    };
  },
};
window.ready = true;
