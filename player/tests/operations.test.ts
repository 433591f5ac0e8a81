/** The operator's page asks while somebody looks, and not otherwise. */
import { expect, test, vi } from "vitest";
import { type Api, Problem } from "../src/api/client";
import type { Timer } from "../src/channel/timer";
import { age, Operations, range } from "../src/store/operations";

class Steps implements Timer {
  next: (() => void) | undefined;
  after(_ms: number, call: () => void): () => void {
    this.next = call;
    return () => {
      if (this.next === call) this.next = undefined;
    };
  }
  spread(): number {
    return 0;
  }
}

function asked() {
  return {
    runs: vi.fn(() => Promise.resolve({ now: "2026-01-01T00:00:10Z", items: [] })),
    queue: vi.fn(() => Promise.resolve({ urgencies: [], segments_left: 0, assets: [] })),
    workers: vi.fn(() => Promise.resolve({ now: "2026-01-01T00:00:10Z", items: [] })),
  };
}

const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));

test("it asks again after each answer, until nobody looks", async () => {
  const api = asked();
  const timer = new Steps();
  const operations = new Operations(api as unknown as Api, timer);
  operations.look();
  operations.look();
  await settled();
  expect(api.runs).toHaveBeenCalledTimes(1);
  expect(api.runs).toHaveBeenCalledWith(["queued", "running"], 100);
  timer.next?.();
  await settled();
  expect(api.runs).toHaveBeenCalledTimes(2);
  operations.store.dispatch({ type: "view", view: "failed" });
  await settled();
  expect(api.runs).toHaveBeenLastCalledWith(["failed"], 100);
  operations.rest();
  expect(timer.next).toBeUndefined();
});

test("who may not see it is not asked about again", async () => {
  const api = asked();
  api.queue.mockRejectedValue(new Problem(403, "Forbidden", ""));
  const timer = new Steps();
  const operations = new Operations(api as unknown as Api, timer);
  operations.look();
  await settled();
  expect(operations.store.getState().forbidden).toBe(true);
  expect(timer.next).toBeUndefined();
});

test("a server that is away is asked again", async () => {
  const api = asked();
  api.workers.mockRejectedValueOnce(new Error("away"));
  const timer = new Steps();
  const operations = new Operations(api as unknown as Api, timer);
  operations.look();
  await settled();
  expect(operations.store.getState().trouble).toBe("away");
  timer.next?.();
  await settled();
  expect(operations.store.getState().trouble).toBe("");
});

test("ages and ranges as people read them", () => {
  expect(age("2026-01-01T00:00:00Z", Date.parse("2026-01-01T00:00:10Z"))).toBe(10);
  expect(age("2026-01-01T00:00:11Z", Date.parse("2026-01-01T00:00:10Z"))).toBe(0);
  expect(range({ first: 4, last: 4 })).toBe("segment 5");
  expect(range({ first: 4, last: 7 })).toBe("segments 5–8");
});
