() => {
    const one = (query) => document.querySelector(query);
    const typing = (element) => element?.matches?.('textarea, input[type=text]') && element.value;

    // A photo that is dropped anywhere or pasted goes the way of a chosen one, as the file it is.
    const give = (file) => {
        const input = one('#open input[type=file]') ?? one('input#open');
        const files = new DataTransfer();
        files.items.add(file);
        input.files = files.files;
        input.dispatchEvent(new Event('change', {bubbles: true}));
    };
    const carries = (event) => [...(event.dataTransfer?.types ?? [])].includes('Files');
    addEventListener('dragover', (event) => {
        if (!carries(event)) return;
        event.preventDefault();
        document.body.classList.add('dropping');
    }, true);
    addEventListener('dragleave', (event) => {
        if (!event.relatedTarget) document.body.classList.remove('dropping');
    }, true);
    addEventListener('drop', (event) => {
        if (!carries(event)) return;
        event.preventDefault();
        event.stopPropagation();
        document.body.classList.remove('dropping');
        if (event.dataTransfer.files.length) give(event.dataTransfer.files[0]);
    }, true);
    addEventListener('paste', (event) => {
        const file = [...(event.clipboardData?.files ?? [])][0];
        if (!file) return;
        event.preventDefault();
        event.stopPropagation();
        give(file);
    }, true);
    addEventListener('click', (event) => {
        if (event.target.closest?.('#drop')) one('button#open, #open button')?.click();
    });

    addEventListener('keydown', (event) => {
        if (!(event.ctrlKey || event.metaKey) || event.altKey || typing(event.target)) return;
        const key = event.key.toLowerCase();
        if (key !== 'z' && key !== 'y') return;
        event.preventDefault();
        one(key === 'y' || event.shiftKey ? '#redo' : '#undo')?.click();
    });
}
