() => {
    const one = (query) => document.querySelector(query);

    // The inputs behind the buttons: what they take, and that one of them is a phone's camera.
    const input = (id) => {
        const found = document.getElementById(id)?.previousElementSibling;
        return found?.type === 'file' ? found : null;
    };
    for (const id of ['open', 'camera']) {
        const file = input(id);
        if (!file) continue;
        file.id = `${id}-file`;
        file.accept = 'image/*,.heic,.heif,.tif,.tiff';
        if (id === 'camera') file.setAttribute('capture', 'user');
    }

    // A photo that is dropped anywhere or pasted goes the way of a chosen one, as the file it is.
    const give = (file) => {
        const files = new DataTransfer();
        files.items.add(file);
        input('open').files = files.files;
        input('open').dispatchEvent(new Event('change', {bubbles: true}));
    };
    const dropping = (on) => document.body.classList.toggle('dropping', on);
    const carries = (event) => event.dataTransfer?.types.includes('Files');
    addEventListener('dragover', (event) => {
        if (!carries(event)) return;
        event.preventDefault();
        dropping(true);
    }, true);
    addEventListener('dragleave', (event) => { if (!event.relatedTarget) dropping(false); }, true);
    addEventListener('drop', (event) => {
        if (!carries(event)) return;
        event.preventDefault();
        event.stopPropagation();
        dropping(false);
        give(event.dataTransfer.files[0]);
    }, true);
    addEventListener('paste', (event) => {
        // Copied from a document, text comes with a picture of itself.
        const text = event.clipboardData?.types.includes('text/plain');
        if (text && event.target.matches?.('textarea, input')) return;
        const [file] = event.clipboardData?.files ?? [];
        if (!file) return;
        event.preventDefault();
        event.stopPropagation();
        give(file);
    }, true);
    addEventListener('click', (event) => {
        const through = event.target.closest?.('[data-click]');
        if (through) document.getElementById(through.dataset.click).click();
    });

    // Ctrl+Z and Ctrl+Shift+Z belong to the text while there is some.
    const writing = (at) => at.matches?.('textarea, input[type=text]') && at.value;
    addEventListener('keydown', (event) => {
        const key = event.key.toLowerCase();
        if (!(event.ctrlKey || event.metaKey) || event.altKey || !'zy'.includes(key)) return;
        if (writing(event.target)) return;
        event.preventDefault();
        one(key === 'y' || event.shiftKey ? '#redo' : '#undo').click();
    });

    // The border between before and after by keyboard, and names for the two pictures.
    const move = (handle, by) => {
        const {left, width, top, height} = handle.getBoundingClientRect();
        const send = (to, type, x) => to.dispatchEvent(new MouseEvent(type, {
            clientX: x, clientY: top + height / 2, bubbles: true, cancelable: true, view: window,
        }));
        const from = left + width / 2;
        send(handle, 'mousedown', from);
        send(window, 'mousemove', from + by);
        send(window, 'mouseup', from + by);
    };
    const named = () => {
        one('#slider')?.querySelectorAll('img').forEach((image, at) => {
            if (!image.alt) image.alt = at ? 'After' : 'Before';
        });
        const handle = one('#slider [data-testid=slider]');
        if (!handle || handle.tabIndex === 0) return;
        handle.tabIndex = 0;
        handle.setAttribute('role', 'group');
        handle.setAttribute('aria-label', 'Border between before and after: move with left, right');
        handle.addEventListener('keydown', (event) => {
            const by = {ArrowLeft: -24, ArrowRight: 24}[event.key];
            if (by) { event.preventDefault(); move(handle, by); }
        });
    };
    new MutationObserver(named).observe(one('#stage'), {childList: true, subtree: true});
}
