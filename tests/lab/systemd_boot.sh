# Makes a real systemd the first process of a lab host: systemd_boot.sh NAME
#
# In process, mount and control group namespaces of its own inside those of the host; the groups are called NAME.
# Prints "ready PID", as the host sees it, and becomes systemd, with Docker's units as Debian ships them, and the
# journal's. No other unit of this machine is there: they mount, sweep and set what all hosts of a lab share, /tmp,
# /dev and the kernel's settings among it. For the same reason /dev is a new one, and settings are read-only.
set -euo pipefail
name=$1
vendor=/usr/lib/systemd/system
disk=/var/lib/lab-systemd
generic=(
    {basic,final,local-fs,multi-user,network,network-online,paths,shutdown,slices,sockets,sysinit,timers,umount}.target
    systemd-journald{.service,.socket,-dev-log.socket}
)
if [ ! -e /run/docker/plugins ] || [ "$(stat -f -c %T /tmp)" != tmpfs ]; then
    echo "$0: this is no lab host" >&2
    exit 1
fi

if [ ! -e "$disk/units" ]; then
    mkdir -p "$disk"/{units.new/sysinit.target.wants,empty}
    for unit in "${generic[@]}"; do cp "$vendor/$unit" "$disk/units.new/"; done
    ln -s ../systemd-journald.service "$disk/units.new/sysinit.target.wants/"
    dockerd=$(command -v dockerd)
    for unit in docker.service docker.socket containerd.service; do
        sed "s#/usr/sbin/dockerd#$dockerd#; s#/usr/bin/containerd#$(command -v containerd)#" \
            "${dockerd%usr/sbin/dockerd}${vendor#/}/$unit" >"$disk/units.new/$unit"
    done
    rm -rf /etc/systemd/system
    mkdir -p /etc/systemd/system
    printf '[Journal]\nStorage=volatile\n' >/etc/systemd/journald.conf
    printf '[Manager]\nDefaultEnvironment="PATH=%s"\n' "$PATH" >/etc/systemd/system.conf
    mv "$disk/units.new" "$disk/units"
fi

export cgroups=$(stat -f -c %T /sys/fs/cgroup)
if [ "$cgroups" = cgroup2fs ]; then trees=(/sys/fs/cgroup/); else trees=(/sys/fs/cgroup/*/); fi
for tree in "${trees[@]}"; do
    mkdir -p "$tree$name"
    for file in cpuset.cpus cpuset.mems; do
        if [ -e "$tree$file" ]; then cat "$tree$file" >"$tree$name/$file"; fi
    done
    echo $$ >"$tree$name/cgroup.procs"
done

export vendor disk
exec unshare --mount --cgroup --pid --fork --kill-child=KILL bash -euo pipefail -c '
read -r pid _ </proc/self/stat # /proc is still that of the host
mount --make-rprivate /
mount --bind "$disk/units" "$vendor"
mount --bind "$disk/empty" /usr/lib/systemd/system-generators
mount --bind "$disk/empty" /usr/lib/systemd/system-environment-generators

mount -t proc proc /proc
for shared in fs kernel vm; do
    mount --bind /proc/sys/$shared /proc/sys/$shared
    mount -o remount,bind,ro /proc/sys/$shared
done
trees=$(ls /sys/fs/cgroup)
mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
if [ "$cgroups" = cgroup2fs ]; then
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
else
    for tree in $trees; do
        mkdir "/sys/fs/cgroup/$tree"
        case $tree in
        unified) mount -t cgroup2 cgroup2 "/sys/fs/cgroup/$tree" ;;
        systemd) mount -t cgroup -o none,name=systemd cgroup "/sys/fs/cgroup/$tree" ;;
        *) mount -t cgroup -o "$tree" cgroup "/sys/fs/cgroup/$tree" ;;
        esac
    done
fi

mkdir /run/lab-dev
mount -t tmpfs -o mode=755 tmpfs /run/lab-dev
mkdir /run/lab-dev/{pts,shm,net}
cp -a /dev/{null,zero,full,random,urandom,tty} /run/lab-dev/
cp -a /dev/net/tun /run/lab-dev/net/
ln -s pts/ptmx /run/lab-dev/ptmx
ln -s /proc/self/fd /run/lab-dev/fd
mount -t devpts -o newinstance,ptmxmode=666,mode=620 devpts /run/lab-dev/pts
mount -t tmpfs tmpfs /run/lab-dev/shm
mount --move /run/lab-dev /dev
mount -t tmpfs tmpfs /var/log
mount --make-rshared /

echo "ready $pid"
exec env -i container=lab PATH="$PATH" /lib/systemd/systemd --unit=multi-user.target --log-target=journal \
    --show-status=no </dev/null >/dev/null 2>&1
'
