/** The look of the watch page. */
import { css } from "lit";

export const watchStyles = css`
  :host {
    display: block;
  }
  /* The picture is as wide as its height leaves it, and all else lines up with it. */
  header,
  main {
    max-width: max(min(1280px, (100vh - 190px) * 16 / 9 + 48px), min(100%, 560px));
    margin: 0 auto;
  }
  header {
    display: flex;
    align-items: center;
    height: 56px;
    padding: 0 24px;
  }
  .brand {
    display: inline-flex;
    align-items: center;
    gap: 8px;
    font-weight: 600;
    font-size: 14px;
    color: var(--dim);
    text-decoration: none;
    border-radius: 6px;
  }
  .brand:hover {
    color: var(--text);
  }
  .brand svg {
    font-size: 18px;
  }
  main {
    padding: 0 24px 64px;
  }
  .picture {
    display: block;
    aspect-ratio: 16 / 9;
    width: 100%;
  }
  .later {
    display: flex;
    align-items: center;
    gap: 10px;
    margin-top: 14px;
    padding: 10px 10px 10px 16px;
    border-radius: var(--radius);
    background: var(--surface);
    border: 1px solid var(--line);
    font-size: 14px;
    font-weight: 600;
  }
  .later span {
    flex: 1;
  }
  .later i {
    width: 9px;
    height: 9px;
    border-radius: 50%;
    background: #e5393f;
  }
  .head {
    display: flex;
    align-items: flex-start;
    gap: 16px;
    margin-top: 18px;
  }
  .head > div:first-child {
    flex: 1;
    min-width: 0;
  }
  h1 {
    margin: 0;
    font-size: 22px;
    line-height: 1.3;
    letter-spacing: -0.01em;
    overflow-wrap: anywhere;
  }
  .facts {
    display: flex;
    flex-wrap: wrap;
    gap: 4px 14px;
    margin: 6px 0 0;
    font-size: 13.5px;
    color: var(--dim);
    font-variant-numeric: tabular-nums;
  }
  .actions {
    display: flex;
    gap: 8px;
    flex-wrap: wrap;
  }
  .warn {
    color: var(--warn);
  }
  @media (max-width: 640px) {
    header,
    main {
      padding-inline: 0;
    }
    header {
      padding-inline: 16px;
    }
    main > :not(.picture) {
      margin-inline: 16px;
    }
    .picture {
      --player-radius: 0;
    }
    .head {
      flex-direction: column;
    }
  }
`;
