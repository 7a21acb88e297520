#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# box.sh SCRATCH SHARE UNIT-FOLDER: the first process of a box in which a real systemd runs, for
# test_systemd.py. Called in new mount, pid, ipc, uts and cgroup namespaces. The box sees this
# machine's root through an overlay that is thrown away, has few devices, and may not
# change the kernel's settings. It has no other units than those of
# UNIT-FOLDER; SHARE is the same folder inside and outside.
set -eu
scratch=$1 share=$2 units=$3
root=$scratch/root
code=$(cd "$(dirname "$0")/../.." && pwd)

mount --make-rprivate /
mount -t tmpfs tmpfs "$scratch"
mkdir "$scratch/upper" "$scratch/work" "$root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$scratch/upper,workdir=$scratch/work" "$root"
mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=0755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t tmpfs -o mode=0755 tmpfs "$root/dev"
mkdir "$root/dev/shm" "$root/dev/pts"
for name in null zero full random urandom tty; do
	touch "$root/dev/$name"
	mount --bind "/dev/$name" "$root/dev/$name"
done
ln -s /proc/self/fd "$root/dev/fd"
mkdir -p "$root/$code" "$root/$share" "$root/run/systemd"
mount --bind "$code" "$root/$code" # also where it lies below /tmp or on a file system of its own
mount --bind "$share" "$root/$share"
rm -rf "$root"/etc/systemd/system "$root"/etc/systemd/system.conf.d "$root"/var/lib/trainyard
mkdir -p "$root/etc/systemd/system"
cp -r "$units"/. "$root/etc/systemd/system/"
for name in systemd-udevd systemd-udev-trigger systemd-modules-load; do
	ln -s /dev/null "$root/etc/systemd/system/$name.service"
done
printf '[Unit]\nDescription=The box\n' >"$root/etc/systemd/system/box.target"
cd "$root"
mkdir -p old
pivot_root . old
umount -l /old
exec env -i container=box PATH=/usr/sbin:/usr/bin:/sbin:/bin \
	/lib/systemd/systemd --unit=box.target --log-target=console --show-status=no
