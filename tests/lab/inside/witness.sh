#!/bin/bash
# Stands for trading: the first thing it does is to leave a line that nobody takes back.
printf '%s %s\n' "$EPOCHREALTIME" "$1" >>/run/storm/born
[[ ${2:-} == before ]] || exec sleep infinity
