import { describe, expect, test } from "vitest";
import { markersIn, secondOf } from "../src/engine/dated";
import { type Marked, type Marker, Markers } from "../src/store/markers";

const BEGUN = Date.parse("2026-11-28T12:00:00.250Z");
const at = (seconds: number): string => new Date(BEGUN + seconds * 1000).toISOString();

function shown(marked: readonly Marked[] = []): { markers: Markers; told: string[] } {
  const told: string[] = [];
  const tell = ({ id }: Marker): void => void told.push(id);
  const markers = new Markers((date) => (date - BEGUN) / 1000, tell);
  markers.take(marked);
  return { markers, told };
}

describe("a marker", () => {
  test("is told when the playhead gets to it, and not before", () => {
    const { markers, told } = shown([{ id: "a", date: at(5) }]);
    for (const time of [4.8, 4.96]) markers.look(time);
    expect(told).toEqual([]);
    for (const time of [5, 5.04]) markers.look(time);
    expect(told).toEqual(["a"]);
  });

  test("is told once, however often it comes", () => {
    const { markers, told } = shown([{ id: "a", date: at(5) }]);
    markers.look(4.9);
    expect(markers.take([{ id: "a", date: at(5) }])).toBe(false);
    markers.look(5.1);
    expect(markers.take([{ id: "a", date: at(5) }])).toBe(false);
    markers.look(5.14);
    expect(told).toEqual(["a"]);
  });

  test("is told a little late rather than not at all, and long past never", () => {
    const { markers, told } = shown();
    markers.look(8);
    markers.take([{ id: "late", date: at(7.6) }, { id: "past", date: at(5) }]);
    markers.look(8.04);
    expect(told).toEqual(["late"]);
  });

  test("that lasts is told to who comes meanwhile", () => {
    const { markers, told } = shown([{ id: "a", date: at(5), duration: 10 }, { id: "b", date: at(5), duration: 2 }]);
    markers.look(9);
    expect(told).toEqual(["a"]);
  });

  test("that was jumped over is told when one goes back", () => {
    const { markers, told } = shown([{ id: "a", date: at(5) }]);
    markers.look(1);
    markers.rewind(60);
    markers.look(60);
    expect(told).toEqual([]);
    markers.rewind(4);
    for (const time of [4.04, 5, 5.04]) markers.look(time);
    markers.rewind(5.04);
    markers.look(5.08);
    expect(told).toEqual(["a"]);
    markers.rewind(2);
    markers.look(5.02);
    expect(told).toEqual(["a", "a"]);
  });

  test("is told again of another playing", () => {
    const { markers, told } = shown([{ id: "a", date: at(5) }]);
    for (const time of [4.9, 5]) markers.look(time);
    markers.again();
    for (const time of [0, 4.9, 5]) markers.look(time);
    expect(told).toEqual(["a", "a"]);
  });

  test("that is gone is neither told nor taken again", () => {
    const { markers, told } = shown([{ id: "a", date: at(5) }]);
    expect(markers.take([{ id: "a" }])).toBe(true);
    expect(markers.take([{ id: "a", date: at(5) }])).toBe(false);
    for (const time of [4.9, 5]) markers.look(time);
    expect(told).toEqual([]);
    expect(markers.places()).toEqual([]);
  });

  test("waits where nobody knows yet when it is shown", () => {
    const told: string[] = [];
    let epoch = Number.NaN;
    const markers = new Markers((date) => (date - epoch) / 1000, ({ id }) => told.push(id));
    markers.take([{ id: "a", date: at(5) }]);
    markers.look(4);
    epoch = BEGUN;
    expect(markers.places().map(([second]) => second)).toEqual([5]);
    markers.look(5);
    expect(told).toEqual(["a"]);
  });
});

describe("dates", () => {
  const segment = (start: number, dated: number): { start: number; programDateTime: number } => {
    return { start, programDateTime: BEGUN + dated * 1000 };
  };
  // The second life begins 14.5 s after the first, of which 4 s are there.
  const segments = [segment(10, 0), segment(12, 2), segment(14, 14.5)];

  test("lead to seconds across a break", () => {
    expect(secondOf(segments, BEGUN + 3000)).toBe(13);
    expect(secondOf(segments, BEGUN + 9000)).toBe(14);
    expect(secondOf(segments, BEGUN + 15_500)).toBe(15);
    expect(secondOf(segments, BEGUN - 1)).toBeNaN();
    expect(secondOf([], BEGUN)).toBeNaN();
    expect(secondOf([{ start: 0, programDateTime: null }], BEGUN)).toBeNaN();
  });

  test("of a playlist are markers, with the data that is ours", () => {
    const range = (more: object): never => {
      return { isValid: true, id: "a", class: "goal", startDate: new Date(BEGUN), duration: null, attr: {}, ...more } as never;
    };
    const data = encodeURIComponent(JSON.stringify({ title: 'a "b"' }));
    expect(markersIn({ a: range({ attr: { "X-DATA": data } }), b: range({ isValid: false }) })).toEqual([
      { id: "a", kind: "goal", date: at(0), duration: null, data: { title: 'a "b"' } },
    ]);
    expect(markersIn({ a: range({ attr: { "X-DATA": "%%" } }) })[0]?.data).toBeNull();
  });
});
