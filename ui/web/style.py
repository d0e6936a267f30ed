"""How the page looks, and the little it does in the browser itself."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

_HERE = Path(__file__).parent
CSS = (_HERE / "page.css").read_text(encoding="utf-8")
# Run once when the page is there: drop, paste, shortcuts, names for assistive technology.
SCRIPT = (_HERE / "page.js").read_text(encoding="utf-8")

# A tab that goes away leaves its key to the page that is loaded into it next. One that is looked at
# has none lying about: a browser that copies the tab would give it to both.
TAB = """() => {
    const key = sessionStorage.getItem('freckle-tab') ?? '';
    sessionStorage.removeItem('freckle-tab');
    return key;
}"""
KEEP_TAB = """(key) => {
    const keep = (on) => {
        if (on) sessionStorage.setItem('freckle-tab', key);
        else sessionStorage.removeItem('freckle-tab');
    };
    addEventListener('pagehide', () => keep(true));
    document.addEventListener('visibilitychange', () => keep(document.hidden));
}"""

# What each panel runs: its controls say what they do in their data attributes. When the panel is
# written anew, its controls show what holds now, and the one in use stays in focus. Arrow keys move
# a slider step by step: where it comes to rest counts.
EVENTS = """
let last = null, byKey = false;
element.addEventListener('focusin', (event) => { last = event.target.id; });
element.addEventListener('keydown', () => { byKey = true; });
element.addEventListener('pointerdown', () => { byKey = false; });
const tell = (control, value) => {
    const said = {...control.dataset, value};
    trigger(['show', 'next-spot'].includes(said.do) ? 'look' : 'act', said);
};
element.addEventListener('click', (event) => {
    const button = event.target.closest('button[data-do]');
    if (button) tell(button, Number(button.dataset.value ?? 0));
});
element.addEventListener('change', (event) => {
    const control = event.target.closest('input[data-do]');
    if (!control) return;
    if (control.type !== 'range') { tell(control, control.checked); return; }
    clearTimeout(control.resting);
    control.resting = setTimeout(() => tell(control, Number(control.value)), byKey ? 600 : 0);
});
const label = (range) => {
    range.nextElementSibling.textContent = `${range.value} %`;
    range.setAttribute('aria-valuetext', `${range.value} percent`);
};
element.addEventListener('input', (event) => {
    if (event.target.type === 'range') label(event.target);
});
watch('value', () => {
    for (const control of element.querySelectorAll('input')) {
        control.checked = control.defaultChecked;
        if (control.type === 'range') { control.value = control.defaultValue; label(control); }
    }
    if (last && document.activeElement === document.body) document.getElementById(last)?.focus();
});
"""

# Gradio tells of a request that was refused in a pop-up that goes again: it is said in the
# conversation, too. Refusals that differ in their seconds alone are said once a minute, for telling
# may itself be refused.
REFUSALS = """
const told = new Map();
const tell = (said) => {
    const text = said.textContent.trim(), like = text.replace(/\\d+/g, '');
    if (!text || Date.now() - (told.get(like) ?? 0) < 60000) return;
    told.set(like, Date.now());
    trigger('refused', {text});
};
new MutationObserver(() => {
    document.querySelectorAll('.toast-body.error [data-testid=toast-text]').forEach(tell);
}).observe(document.body, {childList: true, subtree: true});
"""

HERO = """
<div class="first">
<p>Freckle retouches a portrait by talking: say what bothers you, and everything you do not name
stays as it is.</p>
<div class="ways"><button type="button" id="drop" data-click="open">Choose a portrait</button>
<button type="button" id="try" data-click="example">Try the example</button></div>
<small>Or drop a file here, or paste it: JPEG, PNG, WebP, TIFF or HEIC.</small>
</div>
"""

_WISHES = (
    "Soften the wrinkles but keep the freckles",
    "Make the dark circles lighter",
    "Remove the pimples, nothing else",
)
WISHES = "<span>For example</span>" + "".join(
    f'<button type="button" data-do="wish" data-wish="{wish}">{wish}</button>' for wish in _WISHES
)


def theme() -> gr.themes.Base:
    """System fonts only: the page asks no other machine for anything."""
    return gr.themes.Soft(
        primary_hue="amber",
        neutral_hue="stone",
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    ).set(  # light enough, or dark enough, to be read
        color_accent="*primary_700",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_hover_dark="*primary_600",
        button_secondary_background_fill_hover_dark="*neutral_600",
        button_primary_text_color="white",
        button_primary_text_color_dark="white",
        input_placeholder_color="*neutral_500",
        input_placeholder_color_dark="*neutral_400",
    )
