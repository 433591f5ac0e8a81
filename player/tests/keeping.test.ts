/** What has left the buffer is looked for while no part is under way into it. */
import { expect, test } from "vitest";
import { Late } from "../src/engine/keeping";

const SOUND = { buffered: [] } as never;
const PICTURES = { buffered: [] } as never;

function late(): { late: Late; looked: string[] } {
  const looked: string[] = [];
  return { late: new Late((media, type) => looked.push(`${type} ${media === SOUND ? "sound" : "pictures"}`)), looked };
}

test("where nothing is under way it is looked for at once, and once", () => {
  const { late: put, looked } = late();
  put.flushed(SOUND, "audio", false);
  put.tick(false);
  expect(looked).toEqual(["audio sound"]);
});

test("while a part is under way it waits for its end", () => {
  const { late: put, looked } = late();
  put.flushed(SOUND, "audio", true);
  put.tick(true);
  expect(looked).toEqual([]);
  put.tick(false);
  put.tick(false);
  expect(looked).toEqual(["audio sound"]);
});

test("what left twice meanwhile is looked for once, each buffer for itself", () => {
  const { late: put, looked } = late();
  put.flushed(PICTURES, "video", true);
  put.flushed(SOUND, "audio", true);
  put.flushed(SOUND, "audio", true);
  put.tick(false);
  expect(looked).toEqual(["video pictures", "audio sound"]);
});
