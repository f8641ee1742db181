"""Users, organizations and their members, for the person who runs the portal."""

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin

from vi_portal.accounts.models import Membership, Organization, User

admin.site.site_header = admin.site.site_title = "Vi Portal administration"
admin.site.index_title = "Tables"
admin.site.register(User, UserAdmin)


class MembershipInline(admin.TabularInline[Membership, Organization]):
    model = Membership
    extra = 1
    raw_id_fields = ("user",)


@admin.register(Organization)
class OrganizationAdmin(admin.ModelAdmin[Organization]):
    list_display = ("name", "created_at")
    search_fields = ("name",)
    inlines = (MembershipInline,)


@admin.register(Membership)
class MembershipAdmin(admin.ModelAdmin[Membership]):
    list_display = ("user", "organization", "role", "viewer_may_export")
    list_filter = ("role", "viewer_may_export")
    list_select_related = ("user", "organization")
    search_fields = ("user__username", "user__email", "organization__name")
    raw_id_fields = ("user", "organization")
