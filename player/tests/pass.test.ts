/** The playback token of what is shown: in addresses, and renewed before it ends. */
import { expect, test } from "vitest";
import { Pass } from "../src/store/pass";
import { Stepped } from "./stepped";

const token = (exp: number, name = "a"): string => `${name}.${btoa(JSON.stringify({ sub: "x", exp }))}.s`;

function passes(next: () => Promise<string>) {
  const timer = new Stepped();
  const renewed: number[] = [];
  const pass = new Pass(next, () => renewed.push(timer.now), timer, () => timer.now);
  return { pass, renewed, timer };
}

test("media is asked for under the token, whatever token its address had", () => {
  const { pass } = passes(async () => "");
  expect(pass.address("/v/abc/main.m3u8")).toBe("/v/abc/main.m3u8");
  pass.take("new.to.ken");
  expect(pass.address("/v/abc/main.m3u8?_HLS_msn=7")).toBe("/p/new.to.ken/abc/main.m3u8?_HLS_msn=7");
  expect(pass.address("http://here:8080/p/old.to.ken/abc/g/v/0.m4s")).toBe("http://here:8080/p/new.to.ken/abc/g/v/0.m4s");
  expect(pass.address("https://elsewhere.example/films/v/abc/0.m4s")).toBe("https://elsewhere.example/films/v/abc/0.m4s");
  expect(pass.address("/time")).toBe("/time");
});

test("a token is renewed a minute before it ends, a short one at half its time", async () => {
  const tokens = [token(600, "b"), token(620, "c")];
  const { pass, renewed, timer } = passes(async () => tokens.shift() ?? "");
  pass.take(token(300));
  await timer.pass(239_999);
  expect(renewed).toEqual([]);
  await timer.pass(1);
  expect(renewed).toEqual([240_000]);
  expect(pass.address("/v/abc/x")).toBe(`/p/${token(600, "b")}/abc/x`);
  await timer.pass(300_000);
  expect(renewed).toEqual([240_000, 540_000]);
  await timer.pass(1_000_000); // nobody has another one
  expect(renewed).toEqual([240_000, 540_000]);
});

test("who asks at one time shares the answer, and the same token again is none", async () => {
  let asked = 0;
  const { pass, renewed } = passes(async () => {
    asked += 1;
    return "a.b.c";
  });
  expect(await Promise.all([pass.renew(), pass.renew()])).toEqual([true, true]);
  expect(await pass.renew()).toBe(false);
  expect([asked, renewed.length]).toEqual([2, 1]);
});

test("a provider that fails has no token", async () => {
  const { pass } = passes(() => Promise.reject(new Error("away")));
  expect(await pass.renew()).toBe(false);
});

test("who has none yet is asked again before the end", async () => {
  const tokens = ["", token(600, "b")];
  const { pass, renewed, timer } = passes(async () => tokens.shift() ?? "");
  pass.take(token(6));
  await timer.pass(4499);
  expect(renewed).toEqual([]);
  await timer.pass(1); // half of what was left after the first time, at 3 s
  expect(renewed).toEqual([4500]);
});
