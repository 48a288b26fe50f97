/**
 * The style sheet that the reports of chaos and bench share: colours for light, dark and
 * high-contrast screens and for paper, text, tables, and the boxes with a run's facts. Red stands
 * for what went wrong, amber for what is unknown, green for what held. Each report adds rules for
 * its own parts after these. Colours `--c0` to `--c7` tell series, or replicas, apart.
 */
export const PAGE_STYLE = `
:root {
  --bg: #fff; --panel: #f6f7f9; --ink: #1a1f27; --soft: #57606c; --line: #d5dae1; --rule: #e4e8ed;
  --bad: #b3261e; --bad-bg: #fdeceb; --warn: #855300; --warn-bg: #fdf3e0; --ok: #1a6e3f; --ok-bg: #e9f6ee;
  --link: #1c57b0;
  --c0: #2a6fc4; --c1: #bb5a00; --c2: #1f8060; --c3: #8d4cc2; --c4: #b8336b; --c5: #0f7f95; --c6: #7a6116; --c7: #5a687a;
  color-scheme: light;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --bg: #12161c; --panel: #1a2028; --ink: #e6eaf0; --soft: #a3adba; --line: #38414d; --rule: #272e38;
    --bad: #ff8a80; --bad-bg: #3a1a19; --warn: #f0b75a; --warn-bg: #362812; --ok: #6fce97; --ok-bg: #14301f;
    --link: #8ab8ff;
    --c0: #6aa9f7; --c1: #f09a4a; --c2: #4fc49c; --c3: #be92ee; --c4: #f07fab; --c5: #4dc0d6; --c6: #cdb155; --c7: #9dabbd;
    color-scheme: dark;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body { margin: 0; background: var(--bg); color: var(--ink); font: 15px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif; }
main { max-width: 1600px; margin: 0 auto; padding: 20px clamp(12px, 2.4vw, 36px) 40px; }
section { margin-top: 28px; scroll-margin-top: 8px; }
h1 { font-size: 26px; line-height: 1.15; margin: 0; }
h2 { font-size: 19px; margin: 0 0 6px; }
h3 { font-size: 14px; margin: 0; }
p { margin: 0 0 8px; }
a { color: var(--link); }
small { font-size: 12px; color: var(--soft); font-weight: normal; }
code { font: 13px/1.4 ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace; overflow-wrap: anywhere; }
.ok { color: var(--ok); } .bad, small.bad { color: var(--bad); } .warn { color: var(--warn); }
.none { color: var(--soft); }
:focus-visible { outline: 2px solid var(--link); outline-offset: 1px; }
:target { outline: 2px solid var(--link); outline-offset: 2px; }
section:target { outline: none; }
.product { color: var(--soft); margin-bottom: 10px; letter-spacing: .01em; }
.facts { display: flex; flex-wrap: wrap; gap: 8px 32px; margin: 14px 0 0; }
.facts dt { font-size: 12px; color: var(--soft); } .facts dd { margin: 0; }
.facts .command { flex-basis: 100%; min-width: 0; }
.facts .command code { display: inline-block; padding: 5px 9px; background: var(--panel); border: 1px solid var(--line); border-radius: 4px; user-select: all; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th, td { text-align: left; padding: 4px 10px 4px 0; border-bottom: 1px solid var(--rule); vertical-align: top; }
th { font-weight: 500; } thead th { font-size: 12px; color: var(--soft); font-weight: normal; vertical-align: bottom; border-color: var(--line); }
td:last-child, th:last-child { padding-right: 0; }
.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.scroll { overflow-x: auto; }
.key { font-size: 12px; color: var(--soft); margin-top: 6px; }
.note { padding: 10px 14px; background: var(--warn-bg); border-left: 4px solid var(--warn); border-radius: 4px; margin-bottom: 12px; }
footer { margin-top: 36px; color: var(--soft); font-size: 13px; }

@media (max-width: 700px) { .facts { gap: 8px 20px; } }
@media print {
  body { font-size: 11pt; } main { max-width: none; padding: 0; }
  tr, li { break-inside: avoid; } h2, h3 { break-after: avoid; }
  .note { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  a { color: inherit; text-decoration: none; } .scroll { overflow: visible; }
}
@media (prefers-contrast: more) { :root { --soft: var(--ink); --rule: var(--line); } }
`;
