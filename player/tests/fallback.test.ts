/** The channel over requests: an event stream and polling, against a scripted server. */
import { expect, test } from "vitest";
import { Lines } from "../src/channel/lines";
import { PollTransport } from "../src/channel/poll";
import { StreamTransport } from "../src/channel/stream";
import type { Connection, Transport } from "../src/channel/transport";
import { settled, Stepped } from "./stepped";

interface Asked {
  url: URL;
  init: RequestInit;
  answer(response: Response): void;
  fail(): void;
}

/** A server whose answers the test writes, and one connection to it. */
class Server {
  readonly asked: Asked[] = [];
  readonly heard: unknown[] = [];
  connection!: Connection;

  readonly requests = {
    fetch: ((url: string, init: RequestInit) =>
      new Promise<Response>((answer, fail) => {
        init.signal?.addEventListener("abort", () => fail(new DOMException("", "AbortError")));
        this.asked.push({ url: new URL(url, "http://here"), init, answer, fail: () => fail(new TypeError("network")) });
      })) as typeof fetch,
    token: () => "secret",
  };

  async open(transport: Transport): Promise<void> {
    this.connection = transport.open({
      opened: () => this.heard.push("opened"),
      received: (text) => this.heard.push(JSON.parse(text)),
      closed: (code, delay) => this.heard.push(["closed", code, delay]),
    });
    await settled();
  }

  async subscribe(channel: string, place: { epoch?: string; offset?: number } = {}): Promise<void> {
    this.connection.send(JSON.stringify({ type: "subscribe", channel, ...place }));
    await settled();
  }

  get last(): Asked {
    return this.asked.at(-1) as Asked;
  }
}

const subscribed = (offset: number, recovered = false) => ({ type: "subscribed", channel: "assets", epoch: "e", offset, recovered });
const event = (offset: number) => ({ channel: "assets", epoch: "e", offset, type: "t", time: "", data: {} });

/** A stream of server-sent events that the test writes to. */
class Stream {
  private controller!: ReadableStreamDefaultController<Uint8Array>;
  readonly response = new Response(new ReadableStream<Uint8Array>({ start: (controller) => void (this.controller = controller) }));

  async write(text: string | Uint8Array): Promise<void> {
    this.controller.enqueue(typeof text === "string" ? new TextEncoder().encode(text) : text);
    await settled();
    await settled();
  }

  async say(message: object): Promise<void> {
    await this.write(`id: x\ndata: ${JSON.stringify(message)}\n\n`);
  }

  async end(): Promise<void> {
    this.controller.close();
    await settled();
    await settled();
  }
}

async function streaming(): Promise<[Server, Stream]> {
  const server = new Server();
  await server.open(new StreamTransport("/control/sse", server.requests));
  await server.subscribe("assets");
  const stream = new Stream();
  server.last.answer(stream.response);
  await stream.say(subscribed(7));
  return [server, stream];
}

test("all channels that are asked for at once are one request, with the token in a header", async () => {
  const server = new Server();
  await server.open(new StreamTransport("/control/sse", server.requests));
  expect(server.heard).toEqual(["opened"]);
  server.connection.send(JSON.stringify({ type: "subscribe", channel: "assets" }));
  await server.subscribe("asset:a");
  expect(server.asked).toHaveLength(1);
  expect(server.last.url.searchParams.getAll("channel")).toEqual(["assets", "asset:a"]);
  expect(new Headers(server.last.init.headers).get("authorization")).toBe("Bearer secret");
  expect(server.last.url.href).not.toContain("secret");
});

test("what the stream says is told as it comes, in whatever pieces", async () => {
  const [server, stream] = await streaming();
  const told = { ...event(8), data: "é" };
  const bytes = new TextEncoder().encode(`data: ${JSON.stringify(told)}\n\n`);
  for (let at = 0; at < bytes.length; at += 1) await stream.write(bytes.subarray(at, at + 1));
  const alive = { type: "pong" };
  expect(server.heard.filter((each) => JSON.stringify(each) !== JSON.stringify(alive))).toEqual(["opened", subscribed(7), told]);
});

test("another channel reopens the stream, from where the first one stands", async () => {
  const [server, stream] = await streaming();
  await stream.say(event(8));
  await server.subscribe("asset:a");
  expect(server.asked).toHaveLength(2);
  expect(server.asked[0]?.init.signal?.aborted).toBe(true);
  expect(server.last.url.searchParams.getAll("channel")).toEqual(["assets", "asset:a"]);
  expect(server.last.url.searchParams.get("cursor")).toContain("8");
  expect(server.heard.filter((each) => Array.isArray(each))).toEqual([]);
});

test("the last channel that is left ends the request, and not the connection", async () => {
  const [server] = await streaming();
  server.connection.send('{"type":"unsubscribe","channel":"assets"}');
  await settled();
  expect(server.last.init.signal?.aborted).toBe(true);
  expect(server.heard).toHaveLength(2);
  await server.subscribe("assets");
  expect(server.asked).toHaveLength(2);
});

test("a comment is a sign of life", async () => {
  const [server, stream] = await streaming();
  await stream.write(": still here\n\n");
  expect(server.heard.at(-1)).toEqual({ type: "pong" });
});

test("the server's last message says how to go on", async () => {
  const [server, stream] = await streaming();
  await stream.say({ type: "close", code: 4001, reason: "the server stops", delay_ms: 1234 });
  await stream.end();
  expect(server.heard.slice(2)).toEqual([["closed", 4001, 1234]]);
});

test("a stream that ends without a word is a lost connection", async () => {
  const [server, stream] = await streaming();
  await stream.end();
  expect(server.heard.at(-1)).toEqual(["closed", 1006, undefined]);
});

test.each([
  [403, 4403],
  [401, 4403],
  [404, 1006],
  [502, 1006],
])("the answer %i means %i", async (status, code) => {
  const server = new Server();
  await server.open(new StreamTransport("/control/sse", server.requests));
  await server.subscribe("assets");
  server.last.answer(new Response("", { status }));
  await settled();
  expect(server.heard.at(-1)).toEqual(["closed", code, 0]);
});

test("too many requests means as late as the server says", async () => {
  const server = new Server();
  await server.open(new PollTransport("/control/poll", server.requests));
  await server.subscribe("assets");
  server.last.answer(new Response("", { status: 429, headers: { "retry-after": "3" } }));
  await settled();
  expect(server.heard.at(-1)).toEqual(["closed", 4003, 3000]);
});

test("closing ends the request and is told", async () => {
  const [server] = await streaming();
  server.connection.close();
  expect(server.last.init.signal?.aborted).toBe(true);
  expect(server.heard.at(-1)).toEqual(["closed", 1000, undefined]);
});

test("presence and beacons are posted, with a name by which the server knows the connection", async () => {
  const [server] = await streaming();
  server.connection.send('{"type":"presence","channel":"asset:a"}');
  server.connection.send('{"type":"beacon","channel":"asset:a","cmcd":{"bl":2000}}');
  server.connection.send('{"type":"ping"}');
  const [presence, beacon] = server.asked.slice(1);
  expect(server.asked).toHaveLength(3);
  expect([presence?.url.pathname, beacon?.url.pathname]).toEqual(["/control/presence", "/control/beacon"]);
  const [one, two] = [presence, beacon].map((each) => JSON.parse(String(each?.init.body)) as Record<string, unknown>);
  expect(one?.client).toMatch(/^[\d-]+$/);
  expect(two).toEqual({ type: "beacon", channel: "asset:a", cmcd: { bl: 2000 }, client: one?.client });
});

test("each poll goes on from the last answer's cursor, and waits only where there was nothing to tell", async () => {
  const server = new Server();
  const timer = new Stepped();
  await server.open(new PollTransport("/control/poll", server.requests, timer));
  await server.subscribe("assets");
  expect(server.last.url.searchParams.has("cursor")).toBe(false);
  server.last.answer(Response.json({ cursor: "c7", messages: [subscribed(7)] }));
  await settled();
  expect(server.last.url.searchParams.get("cursor")).toBe("c7");
  server.last.answer(Response.json({ cursor: "c9", messages: [event(8), event(9)] }));
  await settled();
  server.last.answer(Response.json({ cursor: "c9", messages: [] }));
  await settled();
  expect(server.asked).toHaveLength(3);
  await timer.pass(500);
  expect(server.asked).toHaveLength(4);
  expect(server.heard).toEqual(["opened", subscribed(7), event(8), event(9), { type: "pong" }]);
});

test("a poll that goes on says of each channel that it does", async () => {
  const server = new Server();
  await server.open(new PollTransport("/control/poll", server.requests));
  await server.subscribe("assets", { epoch: "e", offset: 7 });
  expect(server.last.url.searchParams.get("cursor")).toBe("assets~e~7");
  server.last.answer(Response.json({ cursor: "assets~e~8", messages: [event(8)] }));
  await settled();
  expect(server.heard.slice(1)).toEqual([subscribed(7, true), event(8)]);
});

test.each([
  ["polls", PollTransport],
  ["an event stream", StreamTransport],
] as const)("where every channel is refused %s ask for nothing, until another one is wanted", async (_, Way) => {
  const server = new Server();
  await server.open(new Way("/control", server.requests));
  await server.subscribe("asset:a");
  await server.subscribe("asset:b");
  const refused = ["asset:a", "asset:b"].map((channel) => ({ type: "refused", channel, reason: "no-such-channel" }));
  const lines = refused.map((each) => `data: ${JSON.stringify(each)}\n\n`).join("");
  server.last.answer(Way === PollTransport ? Response.json({ cursor: "", messages: refused }) : new Response(lines));
  await settled();
  await settled();
  expect(server.heard).toEqual(["opened", ...refused]);
  const before = server.asked.length;
  await server.subscribe("assets");
  expect(server.asked).toHaveLength(before + 1);
  expect(server.last.url.searchParams.getAll("channel")).toEqual(["assets"]);
  expect(server.asked.filter(({ url }) => !url.searchParams.has("channel"))).toEqual([]);
  expect(server.heard).toHaveLength(3);
});

test("a poll that fails is a lost connection", async () => {
  const server = new Server();
  await server.open(new PollTransport("/control/poll", server.requests));
  await server.subscribe("assets");
  server.last.fail();
  await settled();
  expect(server.heard.at(-1)).toEqual(["closed", 1006, undefined]);
});

test.each(["\n", "\r\n", "\r"])("lines end as they like (%j), wherever they are cut", (end) => {
  const text = [": hello", "id: 1", "data: a", "data:b", "", "event: x", "data:  c", "", "data: unfinished", ""].join(end);
  for (let cut = 1; cut < text.length; cut += 1) {
    const lines = new Lines();
    expect([...lines.push(`\uFEFF${text.slice(0, cut)}`), ...lines.push(text.slice(cut))]).toEqual(["a\nb", " c"]);
  }
});

test("a playback token is the bearer of what follows", async () => {
  const server = new Server();
  await server.open(new PollTransport("/control/poll", server.requests, new Stepped()));
  server.connection.send(JSON.stringify({ type: "auth", token: "to.ke.n" }));
  await server.subscribe("assets");
  expect(server.asked.length).toBe(1);
  expect(new Headers(server.last.init.headers).get("authorization")).toBe("Bearer to.ke.n");
});
