/** The look of the library. */
import { css } from "lit";

export const libraryStyles = css`
  :host {
    display: block;
    min-height: 100vh;
  }
  header {
    position: sticky;
    top: 0;
    z-index: 5;
    display: flex;
    align-items: center;
    gap: 16px;
    padding: 12px clamp(16px, 4vw, 40px);
    background: rgb(12 14 18 / 86%);
    backdrop-filter: blur(12px);
    border-bottom: 1px solid var(--line);
  }
  .brand {
    display: flex;
    align-items: center;
    gap: 10px;
    font-weight: 700;
    font-size: 17px;
    letter-spacing: -0.01em;
    text-decoration: none;
  }
  .mark {
    display: grid;
    place-items: center;
    width: 28px;
    height: 28px;
    border-radius: 8px;
    font-size: 17px;
    background: var(--accent);
    color: var(--accent-ink);
  }
  .seek {
    position: relative;
    flex: 1;
    max-width: 420px;
    margin: 0 auto;
  }
  .seek svg {
    position: absolute;
    left: 11px;
    top: 10px;
    font-size: 16px;
    color: var(--faint);
  }
  .seek input {
    width: 100%;
    padding: 0 40px 0 36px;
  }
  .seek kbd {
    position: absolute;
    right: 9px;
    top: 8px;
    padding: 0 6px;
    border-radius: 5px;
    border: 1px solid var(--line);
    font: 12px/18px var(--font);
    color: var(--faint);
  }
  .seek input:focus + kbd {
    opacity: 0;
  }
  main {
    padding: 24px clamp(16px, 4vw, 40px) 80px;
    max-width: 1720px;
    margin: 0 auto;
  }
  .grid {
    display: grid;
    grid-template-columns: repeat(auto-fill, minmax(min(100%, 264px), 1fr));
    gap: 28px 20px;
    align-items: start;
  }
  .blank {
    aspect-ratio: 16 / 9;
    border-radius: var(--radius);
    background: linear-gradient(100deg, #14171d 30%, #1b1f27 50%, #14171d 70%) 0 / 300% 100%;
    animation: shimmer 1.4s linear infinite;
  }
  @keyframes shimmer {
    from {
      background-position: 100% 0;
    }
    to {
      background-position: 0 0;
    }
  }
  .invite {
    display: grid;
    justify-items: center;
    gap: 6px;
    margin: 9vh auto 0;
    max-width: 620px;
    padding: 64px 24px;
    border: 1.5px dashed #343b48;
    border-radius: 22px;
    text-align: center;
  }
  .invite .up {
    display: grid;
    place-items: center;
    width: 72px;
    height: 72px;
    margin-bottom: 12px;
    border-radius: 50%;
    font-size: 32px;
    color: var(--accent);
    background: rgb(124 156 255 / 12%);
  }
  .invite h2 {
    margin: 0;
    font-size: 23px;
    letter-spacing: -0.01em;
  }
  .invite p {
    margin: 0 0 18px;
    color: var(--dim);
  }
  .overlay {
    position: fixed;
    inset: 0;
    z-index: 20;
    display: grid;
    place-items: center;
    background: rgb(10 12 18 / 78%);
    backdrop-filter: blur(6px);
    pointer-events: none;
  }
  .overlay div {
    display: grid;
    place-items: center;
    gap: 14px;
    position: absolute;
    inset: 20px;
    border: 2px dashed var(--accent);
    border-radius: 24px;
    align-content: center;
    font-size: 22px;
    font-weight: 600;
  }
  .overlay svg {
    font-size: 54px;
    color: var(--accent);
  }
  .toasts {
    position: fixed;
    left: 50%;
    bottom: 24px;
    transform: translateX(-50%);
    z-index: 15;
    display: grid;
    gap: 8px;
    width: max-content;
    max-width: calc(100vw - 32px);
  }
  .toast {
    display: flex;
    align-items: center;
    gap: 14px;
    padding: 8px 8px 8px 16px;
    border-radius: 12px;
    background: #262b36;
    border: 1px solid #3a4150;
    box-shadow: 0 12px 32px rgb(0 0 0 / 45%);
    font-size: 14px;
    animation: up 0.2s var(--ease);
  }
  .toast span {
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
    max-width: 46ch;
  }
  .toast .button {
    height: 30px;
    font-size: 13px;
  }
  .toast.bad {
    border-color: rgb(255 123 123 / 45%);
  }
  @keyframes up {
    from {
      opacity: 0;
      transform: translateY(10px);
    }
  }
  .link {
    font-size: 13px;
    color: var(--warn);
  }
  .none {
    text-align: center;
    color: var(--dim);
    padding: 12vh 0;
  }
  .of {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    gap: 10px;
    margin: 0 0 20px;
    font-weight: 600;
  }
  .more {
    display: flex;
    margin: 36px auto 0;
  }
  @media (max-width: 620px) {
    .brand span:last-child,
    kbd {
      display: none;
    }
  }
`;
