"""The page's HTML, as templates of Jinja. No script or style comes from elsewhere, and the page itself forbids it."""

PAGE = """\
{% import "blocks" as draw %}
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data: blob:; \
style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>{{ title }}</title>
<link rel="icon" href="data:,">
<style>{{ style|safe }}</style>
</head>
<body>
<a class="skip" href="#{{ sections[0].anchor }}">Skip to the first section</a>
<header>
<h1>{{ title }}</h1>
<p>{{ about }}</p>
</header>
<nav aria-label="Sections"><ul>
{% for section in sections %}
<li><a href="#{{ section.anchor }}">{{ section.title }}</a></li>
{% endfor %}
</ul></nav>
<main>
{% for section in sections %}
<section id="{{ section.anchor }}" aria-labelledby="{{ section.anchor }}-title" tabindex="-1">
<h2 id="{{ section.anchor }}-title">{{ section.title }}</h2>
{% if section.lead %}<p class="lead">{{ section.lead }}</p>{% endif %}

<div class="blocks">
{% for block in section.blocks %}
{{ draw[block.kind](block, section.anchor ~ "-" ~ loop.index) }}
{% endfor %}
</div>
</section>
{% endfor %}
</main>
<figure id="peek" hidden><img alt="" width="144"><figcaption></figcaption></figure>
{% if library %}
<script>{{ library|safe }}</script>
<script>{{ script|safe }}</script>
{% endif %}
</body>
</html>
"""

BLOCKS = """\
{% macro picture(tile, label) %}
<figure class="tile{{ ' marked' if tile.marked }}"\
{% if tile.hint %} title="{{ tile.hint }}"{% endif %}>
{%- if tile.picture %}<img src="{{ tile.picture }}" alt="{{ label }}{{ ': ' ~ tile.text if tile.text }}" \
loading="lazy" decoding="async">
{%- else %}<span class="none" title="there is none">&ndash;</span>{% endif %}
{%- if tile.text %}<figcaption>{{ tile.text }}</figcaption>{% endif %}
</figure>
{%- endmacro %}

{% macro numbers(block, id) %}
<dl class="numbers">
{% for name, value, note in block.shown %}
<div><dt>{{ name }}</dt><dd><b>{{ value }}</b><span>{{ note }}</span></dd></div>
{% endfor %}
</dl>
{% endmacro %}

{% macro strip(block, id) %}
<div class="scroll{{ ' wide' if block.wide }}" tabindex="0" role="region" aria-label="Pictures, one row an image">
{% set columns = block.heads|length %}
<table class="strip" style="min-width: {{ 82 * columns }}px; max-width: {{ 150 * columns }}px">
<thead><tr>{% for head in block.heads %}<th scope="col">{{ head }}</th>{% endfor %}</tr></thead>
<tbody>
{% for name, tiles in block.rows %}
<tr title="{{ name }}">{% for tile in tiles %}<td>{{ picture(tile, name ~ ", " ~ block.heads[loop.index0]) }}</td>\
{% endfor %}</tr>
{% endfor %}
</tbody>
</table>
</div>
{% endmacro %}

{% macro sheet(block, id) %}
<div class="cards wide">
{% for title, note, groups in block.cards %}
<article class="card">
<h3>{{ title }} <small>{{ note }}</small></h3>
{% for name, tiles in groups %}
<h4>{{ name }}</h4>
<div class="tiles">{% for tile in tiles %}{{ picture(tile, title) }}{% endfor %}</div>
{% endfor %}
</article>
{% endfor %}
</div>
{% endmacro %}

{% macro gallery(block, id) %}
<div class="gallery wide">{% for tile in block.tiles %}{{ picture(tile, "image") }}{% endfor %}</div>
{% endmacro %}

{% macro table(block, id) %}
<details class="table{{ ' wide' if block.heads|length > 4 or block.folded }}"{{ '' if block.folded else ' open' }}>
<summary>{{ block.title }} <small>{{ block.rows|length }}</small></summary>
<div class="scroll" tabindex="0" role="region" aria-label="{{ block.title }}">
<table{{ ' class=texts' if block.named == block.heads|length }}>
<thead><tr>
{% for head in block.heads %}
<th scope="col"{{ ' class=number' if loop.index > block.named }}>{{ head }}</th>
{% endfor %}
</tr></thead>
<tbody>
{% for row in block.rows %}
<tr>{% for cell in row %}<td{{ ' class=number' if loop.index > block.named }}>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}
</tbody>
</table>
</div>
</details>
{% endmacro %}

{% macro chart(block, id) %}
<figure class="chart{{ ' wide' if block.wide }}">
<figcaption id="{{ id }}-title">{{ block.title }}\
{% if block.pictures %} <small>hover, tap, or step with the arrow keys</small>{% endif %}</figcaption>
<div id="{{ id }}" class="plot" style="height: {{ block.height }}px" role="img" aria-labelledby="{{ id }}-title"
{{- ' tabindex=0 data-pictures' if block.pictures }}></div>
<script type="application/json" data-for="{{ id }}">{{ block.figure|safe }}</script>
</figure>
{% endmacro %}

{% macro graph(block, id) %}
<div class="graph wide">
{{ block.arcs|safe }}
<ol>
{% for step in block.steps %}
<li{{ ' class=idle' if step.idle }} title="{{ step.outputs|join(', ') }}">
<p><b>{{ step.name }}</b>{% if step.items %} <small>{{ step.items }}</small>{% endif %}</p>
{% if step.made %}<p class="made">{{ step.made }}</p>{% endif %}

<p class="what">{{ step.about }}</p>
</li>
{% endfor %}
</ol>
</div>
{% endmacro %}
"""
