/**
 * The report's script: it zooms and pans the timeline, filters instances, follows links to a
 * moment, and lists one instance's events where hovering is not possible. It writes text only as
 * text, loads nothing, and stores nothing except the view in the address (`#view=12.5-18,filter
 * words`). Without it the report still shows the whole run.
 */
export const SCRIPT = `
(function () {
'use strict';
var root = document.getElementById('timeline');
var lanes = document.getElementById('lanes');
if (!root || !lanes) return;
var end = Number(root.dataset.end) || 1;
var least = Math.min(1, Math.max(50 / end, 1e-5));
var view = { a: 0, b: 1 };
var filter = document.getElementById('filter');
var active = document.getElementById('active');
var detail = document.getElementById('detail');
var SVG = 'http://www.w3.org/2000/svg';
var rows = all('.lane', lanes).map(function (el) {
  return {
    el: el, a: Number(el.dataset.a) / end, b: Number(el.dataset.b) / end, text: el.dataset.f,
    inner: el.querySelector('.w'), fits: all('.fit', el), seen: true,
  };
});
var instances = rows.filter(function (row) { return row.text !== undefined; });
var shared = all('.axis .w, .backdrop .w', root);
var phaseTexts = all('.axis .fit', root);
var faultLines = all('.fault-line', root).map(function (el) { return parseFloat(el.getAttribute('x1')) / 100; });

function all(selector, within) { return Array.prototype.slice.call(within.querySelectorAll(selector)); }
function pad(number, width) { return String(number).padStart(width, '0'); }
function moment(ms, decimals) {
  var unit = Math.pow(10, 3 - decimals);
  var whole = Math.max(0, Math.round(ms / unit) * unit);
  return Math.floor(whole / 60000) + ':' + pad(((whole % 60000) / 1000).toFixed(decimals), decimals ? 3 + decimals : 2);
}

function widen(inner) {
  var width = 100 / (view.b - view.a);
  inner.setAttribute('x', -view.a * width + '%');
  inner.setAttribute('width', width + '%');
}
function fit(texts, plotPx) {
  var a = view.a * 100, b = view.b * 100, perPercent = plotPx / (b - a);
  texts.forEach(function (el) {
    var x = Number(el.dataset.x), to = Math.min(x + Number(el.dataset.w), b), from = Math.max(x, a);
    var shown = (to - from) * perPercent >= el.textContent.length * 6.2 + 8;
    el.classList.toggle('off', !shown);
    if (shown) el.setAttribute('x', from + '%');
  });
}
function plotPx() { return root.querySelector('.axis').getBoundingClientRect().width || 1000; }
function draw(row) { widen(row.inner); fit(row.fits, plotPx()); }

var queued = false, delayed = 0;
function show(a, b) {
  var span = Math.min(1, Math.max(least, b - a));
  a = Math.min(1 - span, Math.max(0, a));
  view = { a: a, b: a + span };
  if (!queued) { queued = true; requestAnimationFrame(apply); }
  clearTimeout(delayed);
  delayed = setTimeout(afterMove, 160);
}
function apply() {
  queued = false;
  shared.forEach(widen);
  var px = plotPx();
  fit(phaseTexts, px);
  rows.forEach(function (row) { if (row.seen) { widen(row.inner); fit(row.fits, px); } });
  axis(px);
  var inView = faultLines.filter(function (x) { return x >= view.a && x <= view.b; }).length;
  root.classList.toggle('dense', inView > Math.max(8, px / 50));
  document.getElementById('view').textContent = moment(view.a * end, 3) + ' – ' + moment(view.b * end, 3);
}
function afterMove() {
  applyFilter();
  rows.forEach(draw);
  var words = filter.value.trim(), whole = view.a === 0 && view.b === 1;
  var hash = whole && !words ? '' : '#view=' + (view.a * end / 1000).toFixed(3) + '-' + (view.b * end / 1000).toFixed(3) + (words ? ',' + encodeURIComponent(words) : '');
  try { history.replaceState(null, '', hash || location.pathname + location.search); } catch (_) { /* some viewers forbid it */ }
}
var STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 15000, 30000, 60000, 120000, 300000, 600000, 1800000, 3600000, 7200000, 21600000, 86400000];
function axis(px) {
  var from = view.a * end, span = (view.b - view.a) * end, most = Math.max(3, px / 110);
  var step = STEPS.find(function (ms) { return span / ms <= most; }) || span / most;
  var decimals = step < 10 ? 3 : step < 100 ? 2 : step < 1000 ? 1 : 0;
  var ticks = document.getElementById('ticks'), grid = document.getElementById('grid');
  ticks.replaceChildren();
  grid.replaceChildren();
  for (var ms = Math.ceil(from / step) * step; ms <= from + span + 1e-6; ms += step) {
    var percent = (ms - from) / span * 100;
    var text = make('text', { class: 'tick', x: percent + '%', y: 31, 'text-anchor': percent < 3 ? 'start' : percent > 97 ? 'end' : 'middle' });
    text.textContent = moment(ms, decimals);
    ticks.appendChild(text);
    grid.appendChild(make('line', { class: 'rule', x1: percent + '%', x2: percent + '%', y1: 0, y2: '100%' }));
  }
}
function make(name, attributes) {
  var el = document.createElementNS(SVG, name);
  Object.keys(attributes).forEach(function (key) { el.setAttribute(key, attributes[key]); });
  return el;
}

function applyFilter() {
  var wanted = filter.value.trim().toLowerCase().split(/\\s+/).filter(Boolean), shown = 0;
  instances.forEach(function (row) {
    var match = wanted.every(function (word) { return row.text.indexOf(word) !== -1; });
    var within = !active.checked || (row.b >= view.a && row.a <= view.b);
    row.el.hidden = !(match && within);
    if (match && within) shown += 1;
  });
  document.getElementById('nothing').hidden = shown > 0 || instances.length === 0;
  var label = document.getElementById('shown');
  label.dataset.all = label.dataset.all || label.textContent;
  label.textContent = shown === instances.length ? label.dataset.all : shown + ' shown; ' + label.dataset.all;
}

function zoom(factor, at) {
  var focus = at === undefined ? (view.a + view.b) / 2 : at;
  var span = Math.min(1, Math.max(least, (view.b - view.a) * factor));
  var share = (focus - view.a) / (view.b - view.a);
  show(focus - share * span, focus + (1 - share) * span);
}
function pan(share) { var by = (view.b - view.a) * share; show(view.a + by, view.b + by); }
function timeAt(clientX) {
  var box = root.querySelector('.axis').getBoundingClientRect();
  var share = Math.min(1, Math.max(0, (clientX - box.left) / (box.width || 1)));
  return view.a + share * (view.b - view.a);
}
function around(fromMs, toMs) {
  var span = Math.max(toMs - fromMs, 200), margin = span * 0.4 + 200;
  show((fromMs - margin) / end, (toMs + margin) / end);
}

var actions = {
  in: function () { zoom(0.5); }, out: function () { zoom(2); }, left: function () { pan(-0.25); },
  right: function () { pan(0.25); }, all: function () { show(0, 1); },
};
var keys = { '+': 'in', '=': 'in', '-': 'out', '_': 'out', ArrowLeft: 'left', ArrowRight: 'right', '0': 'all' };
root.addEventListener('keydown', function (event) {
  if (event.target === filter || event.ctrlKey || event.metaKey || event.altKey) return;
  var action = actions[keys[event.key]];
  if (action) { action(); event.preventDefault(); }
});
root.addEventListener('wheel', function (event) {
  var onAxis = event.target.closest('.axis');
  var sideways = event.shiftKey ? event.deltaY || event.deltaX : Math.abs(event.deltaX) > Math.abs(event.deltaY) ? event.deltaX : 0;
  if (event.ctrlKey || event.metaKey || (onAxis && !sideways)) zoom(Math.exp(Math.max(-60, Math.min(60, event.deltaY)) * 0.006), timeAt(event.clientX));
  else if (sideways) pan(sideways / plotPx());
  else return;
  event.preventDefault();
}, { passive: false });

var pointers = new Map(), dragged = false;
lanes.addEventListener('pointerdown', function (event) {
  if (event.button !== 0 || event.target.closest('button, .events, a')) return;
  pointers.set(event.pointerId, event.clientX);
  if (pointers.size === 1) dragged = false;
});
addEventListener('pointermove', function (event) {
  var before = pointers.get(event.pointerId);
  if (before === undefined) return;
  var others = Array.from(pointers.keys()).filter(function (id) { return id !== event.pointerId; });
  if (others.length > 0) {
    var other = pointers.get(others[0]);
    var was = Math.max(8, Math.abs(before - other)), is = Math.max(8, Math.abs(event.clientX - other));
    zoom(was / is, timeAt((event.clientX + other) / 2));
  } else if (dragged || Math.abs(event.clientX - before) > 3) {
    dragged = true;
    lanes.classList.add('dragging');
    pan((before - event.clientX) / plotPx());
  } else return;
  pointers.set(event.pointerId, event.clientX);
});
['pointerup', 'pointercancel'].forEach(function (name) {
  addEventListener(name, function (event) { pointers.delete(event.pointerId); if (pointers.size === 0) lanes.classList.remove('dragging'); });
});

function showDetail(event) {
  var title = event.target.closest && event.target.closest('rect, use');
  title = title && title.querySelector('title');
  if (title) detail.textContent = title.textContent;
}
root.addEventListener('pointerover', showDetail);
root.addEventListener('click', showDetail);

root.addEventListener('click', function (event) {
  var button = event.target.closest('button');
  if (!button) return;
  if (button.dataset.do) actions[button.dataset.do]();
  var row = instances.find(function (row) { return row.el === button.closest('.lane'); });
  if (row && button.classList.contains('zoom')) around(row.a * end, row.b * end);
  if (row && button.classList.contains('list')) list(row, button);
});
function list(row, button) {
  var open = row.el.querySelector('.events');
  button.setAttribute('aria-expanded', String(!open));
  if (open) return open.remove();
  var events = document.createElement('ol');
  events.className = 'events';
  events.tabIndex = 0;
  var titles = all('rect > title, use > title', row.el).map(function (el) { return el.textContent; });
  titles.map(function (text) { var at = text.split(':'); return { ms: Number(at[0]) * 60 + parseFloat(at[1]), text: text }; })
    .sort(function (x, y) { return x.ms - y.ms; })
    .forEach(function (entry) { var li = document.createElement('li'); li.textContent = entry.text; events.appendChild(li); });
  row.el.appendChild(events);
}

document.addEventListener('click', function (event) {
  var link = event.target.closest('a[data-from], a[data-lane]');
  if (!link) return;
  event.preventDefault();
  var row = instances.find(function (row) { return row.el.id === link.dataset.lane; });
  if (link.dataset.lane && !row) return;
  filter.value = '';
  if (row) around(row.a * end, row.b * end); else around(Number(link.dataset.from), Number(link.dataset.to));
  applyFilter();
  (row ? row.el : root).scrollIntoView({ block: row ? 'center' : 'start' });
  (row ? row.el.querySelector('button') : lanes).focus({ preventScroll: true });
});
filter.addEventListener('input', function () { applyFilter(); clearTimeout(delayed); delayed = setTimeout(afterMove, 160); });
active.addEventListener('change', applyFilter);
addEventListener('resize', function () { show(view.a, view.b); });

if (window.IntersectionObserver) {
  var watcher = new IntersectionObserver(function (entries) {
    entries.forEach(function (entry) {
      var row = rows.find(function (row) { return row.el === entry.target; });
      row.seen = entry.isIntersecting;
      if (row.seen) draw(row);
    });
  }, { rootMargin: '300px' });
  rows.forEach(function (row) { watcher.observe(row.el); });
}
addEventListener('beforeprint', function () {
  rows.forEach(draw);
  all('details', document).forEach(function (el) { el.open = true; });
});

var requested = /^#view=([0-9.]+)-([0-9.]+)(?:,(.*))?$/.exec(location.hash);
if (requested) {
  if (requested[3]) { try { filter.value = decodeURIComponent(requested[3]); } catch (_) { /* a broken address shows everything */ } }
  show(Number(requested[1]) * 1000 / end, Number(requested[2]) * 1000 / end);
  root.scrollIntoView();
} else show(0, 1);
})();
`;
