# Makes the first process of a lab host out of this shell: boot.sh DISK NAME RESOLVER KEEP...
#
# Runs in new mount, pid, uts and ipc namespaces and in the host's network namespace. DISK keeps what survives a
# power cycle. KEEP are directories that stay visible although they lie below /tmp or /run.
# Prints "ready PID" with the pid as seen from outside.
set -euo pipefail
disk=$1 name=$2 resolver=$3
shift 3
read -r pid _ </proc/self/stat # /proc is still the outer one

mount --make-rprivate /
hostname "$name"

# A sysfs that shows this network namespace, with the control groups moved below it.
mkdir -p "$disk"/{etc,etc.work,varlib,varlib.work,docker,cgroup,tmp,run}
mount --rbind /sys/fs/cgroup "$disk/cgroup"
mount -t sysfs sysfs /sys
mount --move "$disk/cgroup" /sys/fs/cgroup
mount -t proc proc /proc
# What else tells machines, and boots, apart.
[ -e "$disk/uuid" ] || cat /proc/sys/kernel/random/uuid >"$disk/uuid"
cat /proc/sys/kernel/random/uuid >"$disk/boot_id"
mount --bind "$disk/boot_id" /proc/sys/kernel/random/boot_id
for file in /sys/class/dmi/id/product_uuid /sys/hypervisor/uuid; do
    if [ -e "$file" ]; then mount --bind "$disk/uuid" "$file"; fi
done

mount -t overlay overlay -o "lowerdir=/etc,upperdir=$disk/etc,workdir=$disk/etc.work" /etc
mount -t overlay overlay -o "lowerdir=/var/lib,upperdir=$disk/varlib,workdir=$disk/varlib.work" /var/lib

if [ ! -e "$disk/installed" ]; then # a host of its own, no twin of this machine
    rm -rf /etc/docker /var/lib/docker /etc/resolv.conf /etc/machine-id
    mkdir -p /etc/docker /var/lib/docker # Docker's key.json there was the engine's identity
    tr -d - </proc/sys/kernel/random/uuid >/etc/machine-id
    echo "$name" >/etc/hostname
    echo "127.0.0.1 localhost $name" >/etc/hosts
    echo "nameserver $resolver" >/etc/resolv.conf # answers nothing: no query leaves the lab
    touch "$disk/installed"
fi
# The engine's disk is a real directory: overlay2 cannot sit on an overlay.
mount --bind "$disk/docker" /var/lib/docker

mount -t tmpfs -o mode=1777 tmpfs "$disk/tmp"
mount -t tmpfs -o mode=755 tmpfs "$disk/run"
for kept in "$@"; do
    mkdir -p "$disk$kept"
    mount --rbind "$kept" "$disk$kept"
done
mount -n --move "$disk/tmp" /tmp
mount -n --move "$disk/run" /run # -n: no table below the old /run
mkdir -p /run/docker/plugins /run/netns /run/lock
mount --make-rshared / # plugins that mount with propagation work

echo "ready $pid"
exec docker-init -s -- cat >/dev/null # ends with its standard input
