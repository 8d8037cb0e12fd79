// The page works without this: it only keeps the strip at the top current, and proposes the reader's own time zone.
"use strict";
(() => {
  const EVERY_MS = 2000;
  const at = (id) => document.getElementById(id);
  const [rate, lag, age, problem] = ["live-rate", "live-lag", "live-age", "live-problem"].map(at);
  const written = (value, digits) =>
    value === null ? "–" : value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  const put = (element, text) => {
    // What has not changed is not announced again.
    if (element.textContent !== text) element.textContent = text;
  };

  let waiting = null;
  const show = async () => {
    waiting = null;
    try {
      const answer = await fetch("/reports/live", { signal: AbortSignal.timeout(5000) });
      if (!answer.ok) throw new Error(String(answer.status));
      const now = await answer.json();
      put(rate, written(now.events_per_second, 1));
      put(lag, written(now.lag_records, 0));
      put(age, now.oldest_unfinished_seconds === null ? "–" : `${written(now.oldest_unfinished_seconds, 1)} s`);
      put(problem, now.problem ?? "");
    } catch {
      [rate, lag, age].forEach((element) => put(element, "–"));
      put(problem, "the service does not answer");
    }
    wait();
  };
  const wait = () => {
    if (waiting === null && document.visibilityState === "visible") waiting = setTimeout(show, EVERY_MS);
  };
  document.addEventListener("visibilitychange", () => {
    clearTimeout(waiting);
    waiting = null;
    wait();
  });
  if (rate) wait();

  const zones = at("zones");
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (own && ![...zones.options].some((option) => option.value === own)) {
    const option = document.createElement("option");
    option.value = own;
    zones.prepend(option);
  }
})();
