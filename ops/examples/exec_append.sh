#!/bin/sh
# Appends points to a file for each tenant, a line each: a program for Holdfast's backend `exec` (docs/programs.md).
#
#     command: [/opt/programs/exec_append.sh, /var/lib/points]   # where you keep it
#
# A point that is sent again is there twice; its place tells.
set -u
folder=$1

read -r hello || exit 0
case $hello in
'{"hello":1,'*) echo '{"hello":1}' ;;
*)
    echo "this program speaks version 1, not $hello" >&2
    exit 1
    ;;
esac

# {"request":7,"points":2,"attempt":1,"tenant":"acme"}: the members stand in this order, and a tenant has no quotes in it.
while read -r request; do
    id=${request#'{"request":'}
    id=${id%%,*}
    points=${request#*'"points":'}
    points=${points%%,*}
    tenant=${request#*'"tenant":"'}
    tenant=${tenant%%'"'*}

    # All of them are read, whatever becomes of them: the next request stands behind them.
    lines=$(while [ "$points" -gt 0 ] && IFS= read -r line; do
        printf '%s\n' "$line"
        points=$((points - 1))
    done)
    if printf '%s\n' "$lines" >>"$folder/$tenant.ndjson" && sync "$folder/$tenant.ndjson"; then
        echo "{\"answer\":$id,\"outcome\":\"ok\"}"
    else
        echo "{\"answer\":$id,\"outcome\":\"retry\",\"reason\":\"the file could not be written\"}"
    fi
done
