"use strict";
/* The leaderboard for other weights of the criteria, by the same formulas as annotator_ops/stats/judges/leaderboard.py:
   mean = w·means, variance = wᵀ·covariance·w, over the criteria that have a weight. Without this script the page shows
   the weights that the study declares. */
(() => {
  const board = JSON.parse(document.getElementById("analysis").textContent).leaderboard;
  const section = document.getElementById("board");
  const body = section.querySelector("tbody");
  const rows = [...body.rows].sort((one, other) => one.dataset.place - other.dataset.place);
  const sliders = [...section.querySelectorAll("input[type=range]")];
  const shares = [...section.querySelectorAll(".share")];
  const orders = [...section.querySelectorAll("input[type=radio]")];
  const said = section.querySelector("[role=status]");
  const ROUNDING = 1e-12;
  let raw = board.weights.map((weight) => 100 * weight);
  let changed = false;
  /* The weights that the table shows: the last ones that were not all zero. */
  let of = board.weights;

  const quadratic = (matrix, w) => {
    let sum = 0;
    for (const i of w.used) {
      for (const j of w.used) {
        if (matrix[i][j] === null) return NaN;
        sum += w.of[i] * matrix[i][j] * w.of[j];
      }
    }
    return sum;
  };

  const meanOf = (entry, w) => {
    if (entry === null || w.used.some((place) => entry.means[place] === null)) return NaN;
    return w.used.reduce((sum, place) => sum + w.of[place] * entry.means[place], 0);
  };

  /* For each system its mean, interval and rank, of one kind. */
  const computed = (kind, w) => {
    const entries = board.systems.map((system) => system[kind]);
    const means = entries.map((entry) => meanOf(entry, w));
    const variances = entries.map((entry) => (entry === null ? NaN : quadratic(entry.covariance, w)));
    const known = means.filter((mean) => !Number.isNaN(mean));
    const scale = Math.max(1, ...known.map(Math.abs));
    const shared = new Map();
    for (const pair of board.pairs === null ? [] : board.pairs[kind] || []) {
      const value = quadratic(pair.covariance, w);
      shared.set(pair.systems.join(), value);
      shared.set([...pair.systems].reverse().join(), value);
    }
    const isAbove = (one, other) => {
      const between = board.pairs === null ? 0 : shared.get([one, other].join());
      const error = Math.sqrt(Math.max(variances[one] + variances[other] - 2 * between, 0));
      const critical = [entries[one].critical, entries[other].critical];
      if (critical.includes(null) || !(error > ROUNDING * scale)) return false;
      return means[one] - means[other] > Math.max(...critical) * error;
    };
    const ranked = [...means.keys()].filter((place) => !Number.isNaN(means[place]));
    return means.map((mean, place) => {
      if (Number.isNaN(mean)) return null;
      const error = Math.sqrt(variances[place]);
      const half = error > ROUNDING * Math.max(1, Math.abs(mean)) ? entries[place].quantile * error : 0;
      const sure = half > 0;
      const others = ranked.filter((other) => other !== place);
      return {
        value: mean,
        low: sure ? mean - half : null,
        high: sure ? mean + half : null,
        rank: 1 + ranked.filter((other) => means[other] > mean + ROUNDING * scale).length,
        first: 1 + others.filter((other) => isAbove(other, place)).length,
        last: ranked.length - others.filter((other) => isAbove(place, other)).length,
      };
    });
  };

  /* Halves go to the even digit, as where the page was made; toFixed has them upwards. */
  const fixed = (size, digits) => {
    const scaled = size * 10 ** digits;
    const below = Math.floor(scaled);
    const half = scaled - below === 0.5 && Number.isInteger(size * 2 ** (digits + 1));
    return half && below % 2 === 0 ? (below / 10 ** digits).toFixed(digits) : size.toFixed(digits);
  };

  const text = (value) => {
    const size = Math.abs(value);
    let written = size < 1000 ? fixed(size, 2) : Number(fixed(size, 0)).toLocaleString("en");
    if (size > ROUNDING && size < 0.01) written = String(Number(size.toPrecision(2)));
    return value < 0 && Number(written) !== 0 ? `−${written}` : written;
  };

  const percent = (share) => fixed(100 * share, 1) + "%";

  const show = (row, kind, found) => {
    const mean = row.querySelector(`[data-kind=${kind}][data-part=mean]`);
    const rank = row.querySelector(`[data-kind=${kind}][data-part=rank]`);
    const whole = found !== null;
    mean.querySelector(".value").textContent = whole ? text(found.value) : "–";
    mean.querySelector(".interval").textContent =
      whole && found.low !== null ? `[${text(found.low)}, ${text(found.high)}]` : "";
    for (const key of ["value", "low", "high", "rank", "first", "last"]) {
      if (whole && found[key] !== null) mean.dataset[key] = found[key];
      else delete mean.dataset[key];
    }
    rank.querySelector(".value").textContent = whole ? found.rank : "–";
    const open = whole ? (found.first === found.last ? found.first : `${found.first}–${found.last}`) : "";
    rank.querySelector(".interval").textContent = open;
    const bar = rank.querySelector(".ranks");
    bar.hidden = !whole;
    if (!whole) return;
    const part = 100 / board.systems.length;
    bar.style.setProperty("--start", part * (found.first - 1) + "%");
    bar.style.setProperty("--width", part * (found.last - found.first + 1) + "%");
    bar.style.setProperty("--at", part * (found.rank - 0.5) + "%");
  };

  const update = () => {
    const sum = raw.reduce((total, value) => total + value, 0);
    sliders.forEach((slider, place) => {
      const share = sum > 0 ? percent(raw[place] / sum) : "–";
      slider.value = raw[place];
      slider.setAttribute("aria-valuetext", share);
      shares[place].textContent = share;
    });
    if (sum > 0) of = changed ? raw.map((value) => value / sum) : board.weights;
    const w = { of, used: [...of.keys()].filter((place) => of[place] > 0) };
    const order = (orders.find((radio) => radio.checked) || { value: section.dataset.order }).value;
    const found = {};
    for (const kind of board.kinds) {
      found[kind] = computed(kind, w);
      rows.forEach((row, place) => show(row, kind, found[kind][place]));
    }
    const value = (place) => (found[order][place] === null ? -Infinity : found[order][place].value);
    const places = [...rows.keys()].sort((one, other) => {
      const [first, second] = [value(one), value(other)];
      return first === second ? one - other : second - first;
    });
    body.append(...places.map((place) => rows[place]));
    const first = places.slice(0, 3).map((place) => board.systems[place].system);
    const none = "At least one criterion needs a weight; the table keeps the last ones";
    const whose = changed ? "Other weights than the study’s" : "The study’s weights";
    said.textContent = `${sum > 0 ? whose : none}. First: ${first.join(", ")}.`;
  };

  sliders.forEach((slider, place) => {
    slider.addEventListener("input", () => {
      raw[place] = Number(slider.value);
      changed = true;
      update();
    });
  });
  /* On a phone the columns that the rows are ordered by may be beside the screen; the names stay. */
  const bringIntoView = (kind) => {
    const box = body.closest(".scroll");
    const [mean, rank] = ["mean", "rank"].map((part) => rows[0].querySelector(`[data-kind=${kind}][data-part=${part}]`));
    const end = rank.offsetLeft + rank.offsetWidth;
    box.scrollLeft = end > box.clientWidth ? mean.offsetLeft - rows[0].cells[0].offsetWidth : 0;
  };

  orders.forEach((radio) =>
    radio.addEventListener("change", () => {
      update();
      bringIntoView(radio.value);
    }),
  );
  section.querySelector("button").addEventListener("click", () => {
    raw = board.weights.map((weight) => 100 * weight);
    changed = false;
    update();
  });
  /* A browser may bring an earlier visit's choices back; the page begins with the study's. */
  sliders.forEach((slider, place) => {
    slider.value = raw[place];
  });
  section.querySelectorAll("[data-scripted]").forEach((element) => {
    element.hidden = false;
  });
})();
