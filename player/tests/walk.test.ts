/** Where an MP4's table of contents is found. */
import { expect, test } from "vitest";
import { endToSendFirst } from "../src/upload/walk";

function box(type: string, size: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size);
  new DataView(bytes.buffer).setUint32(0, size);
  bytes.set(new TextEncoder().encode(type), 4);
  return bytes;
}

function long(type: string, size: number): Uint8Array<ArrayBuffer> {
  const bytes = box(type, size);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 1);
  view.setBigUint64(8, BigInt(size));
  return bytes;
}

/** Count what is read: a walk must not read the media. */
class Counted extends Blob {
  reads = 0;
  taken = 0;
  override slice(start?: number, end?: number): Blob {
    const piece = super.slice(start, end);
    this.reads += 1;
    this.taken += piece.size;
    return piece;
  }
}

test("a moov behind the media is found, and only heads of boxes are read", async () => {
  const file = new Counted([box("ftyp", 32), box("free", 8), box("mdat", 5000), box("moov", 300), box("free", 20)]);
  expect(await endToSendFirst(file)).toBe(32 + 8 + 5000);
  expect(file.reads).toBe(4);
  expect(file.taken).toBeLessThanOrEqual(64);
});

test("a moov in front needs no care", async () => {
  const file = new Counted([box("ftyp", 32), box("moov", 300), box("mdat", 5000)]);
  expect(await endToSendFirst(file)).toBeUndefined();
  expect(file.reads).toBe(2);
});

test("sizes of 64 bits are followed", async () => {
  expect(await endToSendFirst(new Blob([box("ftyp", 32), long("mdat", 5000), box("moov", 300)]))).toBe(5032);
});

test.each([
  ["nothing", new Blob([])],
  ["a letter", new Blob(["Dear reader, this is a letter."])],
  ["seven bytes", new Blob([new Uint8Array(7)])],
  ["zeros", new Blob([new Uint8Array(4096)])],
  ["Matroska", new Blob([new Uint8Array([0x1a, 0x45, 0xdf, 0xa3, 1, 2, 3, 4, 5, 6, 7, 8])])],
  ["media to the end of the file", new Blob([box("ftyp", 32), new Uint8Array([0, 0, 0, 0]), "mdat", new Uint8Array(99)])],
  ["a box shorter than its head", new Blob([box("ftyp", 32), new Uint8Array([0, 0, 0, 4]), "mdat", box("moov", 8)])],
  ["a 64-bit size that is cut off", new Blob([new Uint8Array([0, 0, 0, 1]), "mdat", new Uint8Array(2)])],
  ["a file cut off in its media", new Blob([box("ftyp", 32), box("mdat", 5000).slice(0, 100)])],
  ["a moov before most of the media", new Blob([box("ftyp", 32), box("mdat", 100), box("moov", 300), box("mdat", 5000)])],
  ["fragments", new Blob([box("ftyp", 32), box("moof", 100), box("mdat", 100), box("moov", 100)])],
  ["boxes without end", new Blob(Array.from({ length: 100 }, () => box("free", 8)))],
])("%s has no end to send first", async (_name, file) => {
  expect(await endToSendFirst(file)).toBeUndefined();
});
