/** The look of <stream-player>. */
import { css } from "lit";

export const playerStyles = css`
  :host {
    display: block;
    position: relative;
    aspect-ratio: 16 / 9;
    background: #000;
    color: #fff;
    overflow: hidden;
    border-radius: var(--player-radius, 12px);
  }
  .stage {
    position: absolute;
    inset: 0;
    background: #000;
    outline: none;
    user-select: none;
  }
  .stage.idle {
    cursor: none;
  }
  video,
  .still,
  .poster {
    position: absolute;
    inset: 0;
    width: 100%;
    height: 100%;
    object-fit: contain;
  }
  .poster {
    transition: opacity 0.25s;
    pointer-events: none;
  }
  .poster.gone {
    opacity: 0;
  }
  .bar {
    position: absolute;
    inset: auto 0 0;
    padding: 56px 14px 8px;
    background: linear-gradient(transparent, rgb(0 0 0 / 72%));
    transition:
      opacity 0.2s,
      transform 0.2s var(--ease, ease-out);
    z-index: 2;
    pointer-events: none;
  }
  .bar > * {
    pointer-events: auto;
  }
  .idle .bar {
    opacity: 0;
    transform: translateY(6px);
  }
  .row {
    display: flex;
    align-items: center;
    gap: 2px;
  }
  .row .space {
    flex: 1;
  }
  .tool {
    display: grid;
    place-items: center;
    width: 38px;
    height: 36px;
    border-radius: 8px;
    font-size: 21px;
    color: #fff;
  }
  .tool:hover {
    background: rgb(255 255 255 / 14%);
  }
  .tool.first {
    font-size: 25px;
  }
  time {
    padding: 0 8px;
    font-size: 13px;
    font-weight: 550;
    font-variant-numeric: tabular-nums;
    white-space: nowrap;
  }
  time span {
    opacity: 0.7;
    font-weight: 450;
  }
  .big {
    position: absolute;
    inset: 0;
    margin: auto;
    width: 76px;
    height: 76px;
    display: grid;
    place-items: center;
    border-radius: 50%;
    font-size: 36px;
    color: #fff;
    background: rgb(12 14 18 / 62%);
    backdrop-filter: blur(8px);
    transition:
      transform 0.15s var(--ease, ease-out),
      background 0.15s;
    z-index: 1;
  }
  .big:hover {
    transform: scale(1.06);
    background: var(--accent, #7c9cff);
  }
  .spinner {
    position: absolute;
    inset: 0;
    margin: auto;
    width: 52px;
    height: 52px;
    border-radius: 50%;
    border: 4px solid rgb(255 255 255 / 22%);
    border-top-color: #fff;
    animation: spin 0.9s linear infinite;
    pointer-events: none;
    opacity: 0;
  }
  .spinner.on {
    opacity: 1;
    transition: opacity 0.15s 0.35s;
  }
  .held {
    position: absolute;
    inset: calc(50% + 40px) 0 auto;
    margin: 0;
    text-align: center;
    font-size: 14px;
    text-shadow: 0 1px 3px #000;
    pointer-events: none;
    animation: appear 0.2s 0.35s both;
  }
  .notice {
    position: absolute;
    top: 16px;
    left: 50%;
    transform: translateX(-50%);
    max-width: calc(100% - 32px);
    margin: 0;
    padding: 7px 16px;
    border-radius: 999px;
    background: rgb(12 14 18 / 74%);
    backdrop-filter: blur(8px);
    font-size: 14px;
    text-align: center;
    pointer-events: none;
    z-index: 1;
    animation: appear 0.4s both;
  }
  @keyframes appear {
    from {
      opacity: 0;
    }
  }
  .hushed {
    position: absolute;
    top: 14px;
    right: 14px;
    z-index: 2;
  }
  @keyframes spin {
    to {
      transform: rotate(1turn);
    }
  }
  .cues {
    position: absolute;
    inset: auto 6% 24px;
    text-align: center;
    pointer-events: none;
    transition: bottom 0.2s var(--ease, ease-out);
    font-size: clamp(15px, 2.6cqw, 34px);
    line-height: 1.35;
  }
  .stage:not(.idle) .cues {
    bottom: 92px;
  }
  .cues p {
    display: inline-block;
    margin: 0 0 4px;
    padding: 2px 10px;
    border-radius: 5px;
    background: rgb(0 0 0 / 72%);
    white-space: pre-line;
  }
  .flash {
    position: absolute;
    top: 12%;
    left: 50%;
    transform: translateX(-50%);
    padding: 6px 14px;
    border-radius: 999px;
    background: rgb(0 0 0 / 66%);
    font-size: 14px;
    font-weight: 600;
    pointer-events: none;
    animation: fade 0.9s forwards;
  }
  @keyframes fade {
    60% {
      opacity: 1;
    }
    to {
      opacity: 0;
    }
  }
  :host {
    container-type: inline-size;
  }
  @container (max-width: 520px) {
    .optional {
      display: none;
    }
    .bar {
      padding-inline: 8px;
    }
  }
`;
