import { PAGE_STYLE } from '../../tools/page/style.ts';

/**
 * The style sheet of an instance's page: the shared one, and rules for the cells on their line, the
 * badges and the notices.
 */
export const SHOW_STYLE = `${PAGE_STYLE}
main { max-width: 960px; }
:root { --busy: var(--link); --busy-bg: #eaf1fb; }
@media screen and (prefers-color-scheme: dark) { :root { --busy-bg: #16263c; } }
pre { margin: 6px 0 8px; padding: 9px 12px; background: var(--panel); border: 1px solid var(--rule); border-radius: 6px; overflow-x: auto; }
pre code { overflow-wrap: normal; white-space: pre; }
code { background: var(--panel); border-radius: 3px; padding: 0 3px; } pre code, .product code { background: none; padding: 0; }
.top { display: flex; gap: 8px 16px; align-items: baseline; justify-content: space-between; flex-wrap: wrap; }
.badge { margin: 0; padding: 1px 10px; border-radius: 999px; font-size: 13px; font-weight: 600; white-space: nowrap; border: 1px solid currentColor; }
header .badge { font-size: 15px; padding: 3px 14px; }
.good { --tone: var(--ok); --tone-bg: var(--ok-bg); } .bad { --tone: var(--bad); --tone-bg: var(--bad-bg); }
.doubt { --tone: var(--warn); --tone-bg: var(--warn-bg); } .busy { --tone: var(--busy); --tone-bg: var(--busy-bg); }
.quiet { --tone: var(--soft); --tone-bg: var(--panel); }
.badge { color: var(--tone); background: var(--tone-bg); }
.notice { margin-top: 16px; padding: 11px 16px; background: var(--tone-bg); border-left: 5px solid var(--tone); border-radius: 5px; }
.notice p { margin: 0 0 6px; } .notice p:last-child, .notice pre:last-child { margin-bottom: 0; }
.notice pre { margin: 4px 0; padding: 5px 10px; background: var(--bg); border-color: var(--line); }
.command code { user-select: all; }
.text h2 { margin-top: 10px; } .text h3, .text h4 { margin: 10px 0 4px; } .text h3 { font-size: 16px; } .text ul, .text ol { margin: 0 0 8px; padding-left: 1.6em; } .text ul { list-style: disc; }
header .about { margin-top: 14px; }
.text blockquote { margin: 8px 0; padding-left: 14px; border-left: 3px solid var(--line); color: var(--soft); }
.text table { width: auto; } .text td, .text th { padding-right: 20px; } .right { text-align: right; } .center { text-align: center; }
hr { border: 0; border-top: 1px solid var(--line); margin: 16px 0; }

.cells { list-style: none; margin: 20px 0 0; padding: 0; }
.cells > li { position: relative; padding: 0 0 14px 44px; }
.cells > li::before { content: ""; position: absolute; left: 14px; top: 0; bottom: 0; width: 2px; background: var(--rule); }
.cells > li:last-child::before { bottom: auto; height: 24px; }
.mark { position: absolute; left: 2px; top: 10px; width: 26px; height: 26px; border-radius: 50%; display: grid; place-items: center; font-size: 14px; font-weight: 700; color: var(--tone); background: var(--tone-bg); border: 2px solid var(--tone); }
.card { border: 1px solid var(--line); border-radius: 8px; padding: 10px 16px 8px; }
.card h3 { font-size: 15.5px; } .card h3 small { margin-left: 4px; }
.card > .top { margin-bottom: 4px; }
.notes { list-style: none; display: flex; flex-wrap: wrap; gap: 2px 18px; margin: 0 0 6px; padding: 0; font-size: 13px; color: var(--soft); overflow-wrap: anywhere; }
.does { padding: 6px 10px; }
.about p { margin-bottom: 4px; }
.moments { margin: 6px 0; font-size: 13.5px; }
.moments thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.moments td { white-space: nowrap; color: var(--soft); font-variant-numeric: tabular-nums; } .moments tr:last-child td { border-bottom: 0; }
.moments td:nth-child(2) { width: 100%; white-space: normal; color: var(--tone); overflow-wrap: anywhere; }
.undo { margin: 10px 0 6px; padding-left: 14px; border-left: 3px solid var(--rule); }
summary { cursor: pointer; font-size: 13px; color: var(--soft); padding: 3px 0; }
time { white-space: nowrap; font-variant-numeric: tabular-nums; }

@media (max-width: 640px) {
  .cells > li { padding-left: 36px; } .mark { left: 0; width: 24px; height: 24px; } .cells > li::before { left: 11px; }
  .moments tr { display: flex; flex-wrap: wrap; gap: 0 12px; border-bottom: 1px solid var(--rule); padding: 4px 0; }
  .moments td { border: 0; padding: 0; } .moments td:nth-child(2) { order: -1; flex-basis: 100%; } .moments td:nth-child(n+3) { font-size: 12px; }
}
@media print {
  main { max-width: none; } .card, .notice { break-inside: avoid; } .badge, .mark, .notice, pre { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  details::details-content { content-visibility: visible; block-size: auto; } summary { list-style: none; }
  pre code { white-space: pre-wrap; } .definition { display: none; }
  .log table { font-size: 8pt; } .log td { overflow-wrap: anywhere; } .log time { white-space: normal; }
}
`;
