_weave_completion() {
    local response type value

    # The words that bash makes are cut at '=' and ':', which are in addresses and options: so the whole line.
    response=$(env COMP_LINE="$COMP_LINE" COMP_POINT="$COMP_POINT" COMP_WORDBREAKS="$COMP_WORDBREAKS" \
        _WEAVE_COMPLETE=bash_complete "$1" 2>/dev/null)
    COMPREPLY=()

    while IFS=',' read -r type value; do
        if [[ $type == 'dir' ]]; then
            compopt -o dirnames
        elif [[ $type == 'file' ]]; then
            compopt -o default
        elif [[ $type == 'plain' ]]; then
            COMPREPLY+=("$value")
        fi
    done <<< "$response"

    return 0
}

complete -o nosort -F _weave_completion weave
