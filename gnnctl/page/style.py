"""The look of every page."""

CSS = """
:root{--ink:#1d2730;--soft:#5b6770;--line:#dfe5e9;--back:#f4f6f8;--card:#fff;--bar:#1f6f8b;--against:#b3541e;--mark:#e8f2f5}
@media (prefers-color-scheme:dark){:root{--ink:#e8eef2;--soft:#9fb0bb;--line:#2a3740;--back:#0b1115;--card:#10181e;
--bar:#4fb3d1;--against:#f0935a;--mark:#16303a}}
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
nav{display:flex;flex-wrap:wrap;gap:8px;padding:12px 24px;background:var(--card);border-bottom:1px solid var(--line)}
nav a{color:inherit;padding:2px 10px;border:1px solid var(--line);border-radius:99px;text-decoration:none}
main{max-width:1120px;margin:0 auto;padding:28px 20px 60px}
section+section{margin-top:56px;padding-top:28px;border-top:2px solid var(--line)}
.kicker{margin:0;color:var(--soft);text-transform:uppercase;letter-spacing:.08em;font-size:12px}
h1{margin:0;font-size:34px;line-height:1.15;overflow-wrap:anywhere}
h2{margin:0 0 10px;font-size:16px}
.answer{margin:8px 0 6px;font-size:19px}
.chips{display:flex;flex-wrap:wrap;gap:8px;margin:0 0 20px}
.chip{padding:2px 10px;border:1px solid var(--line);border-radius:99px;background:var(--card)}
.chip{color:var(--soft);font-size:13px}
.grid{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:16px}
.card{margin:0;padding:16px 18px;background:var(--card);border:1px solid var(--line);border-radius:12px;overflow-x:auto}
.wide{grid-column:1/-1}
figure svg{display:block;width:100%;height:auto}
figcaption,.reading p{color:var(--soft);margin:6px 0 0;max-width:80ch}
.legend{display:flex;flex-wrap:wrap;gap:6px 18px;list-style:none;margin:4px 0 0;padding:0;font-size:13px}
.legend i,.dot{display:inline-block;width:11px;height:11px;border-radius:50%;margin-right:6px;vertical-align:-1px}
.legend .ring{background:none;border:2px solid var(--ink)}
table{width:100%;border-collapse:collapse;font-size:14px}
th,td{padding:4px 8px 4px 0;text-align:left;font-weight:400;border-bottom:1px solid var(--line);vertical-align:middle}
thead th{color:var(--soft);font-size:12px}
tr:last-child>*{border-bottom:0}
tbody th,tr>th[scope=row]{width:99%;min-width:9em;font-weight:600;overflow-wrap:anywhere}
td{white-space:nowrap}
.n,td:last-child{text-align:right;font-variant-numeric:tabular-nums}
.chosen>*{background:var(--mark)}
.bar{display:inline-block;width:84px;height:8px;border-radius:4px;background:var(--line);overflow:hidden}
.bar i{display:block;height:100%;background:var(--bar)}
.bar.against i{background:var(--against)}
dl{margin:0}dt{font-weight:600}dd{margin:0 0 12px}dd small{display:block;color:var(--soft)}small{color:var(--soft)}
.prose td,.prose thead th{white-space:normal;text-align:left}.prose tbody th{width:auto;min-width:0;white-space:nowrap}
.scroll{max-height:420px;overflow:auto}
pre{margin:0;white-space:pre-wrap;overflow-wrap:anywhere;font:13px/1.5 ui-monospace,monospace}
@media (max-width:760px){.grid{grid-template-columns:minmax(0,1fr)}h1{font-size:26px}.bar{width:56px}}
@media print{body{background:#fff}.card{break-inside:avoid}}
"""
