/** A sentence that is said at the bottom of a page for a moment. */
import { css } from "lit";

export const toast = css`
  .said {
    position: fixed;
    left: 50%;
    bottom: 24px;
    transform: translateX(-50%);
    padding: 9px 18px;
    border-radius: 999px;
    background: #262b36;
    border: 1px solid #3a4150;
    font-size: 14px;
    z-index: 10;
    animation: said 3.4s forwards;
  }
  @keyframes said {
    0%,
    100% {
      opacity: 0;
    }
    6%,
    90% {
      opacity: 1;
    }
  }
`;
